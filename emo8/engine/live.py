"""Rows done inside the parts at work: what a bar shows between the end of one part and the next.

A worker counts in memory that it shares with the process that started it; where nobody listens, in
a test or on a machine of a cluster, `tick` does nothing. Nothing here changes what is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

_counter: Any = None  # a multiprocessing.Value of this worker: rows of the task at work


def listen(counter: Any) -> None:
    """Count this process's rows in `counter` from now on."""
    global _counter
    _counter = counter


def begin() -> None:
    """Start a task: none of its rows is done."""
    if _counter is not None:
        _counter.value = 0


def tick(rows: int = 1) -> None:
    """Count rows of the task at work as done."""
    if _counter is not None:
        _counter.value += rows


def ticked(items: Iterable[T]) -> Iterator[T]:
    """The items themselves, each counted as a row when the next one is asked for."""
    for item in items:
        yield item
        tick()
