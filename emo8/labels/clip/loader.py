"""Pictures made ready in threads while the model works on those before them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Ready = TypeVar("Ready")

# Beside a CPU worker one thread is enough: the cores are busy with models. A GPU waits for many.
THREADS = {"cpu": 1, "cuda": 8}


def ahead(
    items: Iterable[Item], prepare: Callable[[Item], Ready], *, threads: int, num_ahead: int
) -> Iterator[Ready]:
    """`prepare(item)` of every item in order, computed up to `num_ahead` items before it is asked.

    Decoding and resizing release the interpreter's lock, so they run beside the model.
    """
    waiting: deque[Future[Ready]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(prepare, item))
                if len(waiting) > num_ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # also when a picture fails: nobody waits for the rest
            for future in waiting:
                future.cancel()
