"""Items made in a thread beside the one that uses them."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
WAITING = 2  # items made and not yet asked for


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The items in their order, made while the ones before are used; close it to stop.

    What making one raises is raised where it is asked for.
    """
    made: queue.Queue[tuple[list[T], BaseException | None]] = queue.Queue(WAITING)
    stopped = threading.Event()

    def put(item: list[T], problem: BaseException | None = None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                return made.put((item, problem), timeout=0.1)

    def work() -> None:
        try:
            for item in items:
                put([item])
                if stopped.is_set():
                    return
            put([])
        except BaseException as problem:
            put([], problem)

    worker = threading.Thread(target=work, name="ahead", daemon=True)
    worker.start()
    try:
        while True:
            item, problem = made.get()
            if problem is not None:
                raise problem
            if not item:
                return
            yield item[0]
    finally:
        stopped.set()
        worker.join()
