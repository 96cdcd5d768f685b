"""Progress on standard error: a bar on a terminal, one line per stage in a pipe."""

from __future__ import annotations

import sys
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Counter:
    """What a stage calls as it goes."""

    def __init__(self) -> None:
        self.rows = 0
        self.parts = 0
        self.nodes: Tally[str] = Tally()  # machine of a cluster -> parts it did

    def advance(self, parts: int, rows: int, node: str = "") -> None:
        self.rows += rows
        self.parts += parts
        if node:
            self.nodes[node] += parts


def say(text: str) -> None:
    """Say at once what is being done, before anything slow begins."""
    print(f"  {text}", file=sys.stderr, flush=True)


@contextmanager
def stage(
    title: str,
    total_parts: int,
    unit: str = "parts",
    *,
    total_rows: int = 0,
    live: Callable[[], int] = lambda: 0,
) -> Iterator[Counter]:
    """Show one stage of `total_parts` parts with rows per second and the time left.

    With `total_rows` the bar moves by rows; `live` says how many are done inside the parts at work.
    """
    started = time.monotonic()
    counter = Counter()
    if sys.stderr.isatty():
        with _bar(title, counter, total_parts, total_rows, live):
            yield counter
    else:
        yield counter
    seconds = time.monotonic() - started
    rate = f", {counter.rows / seconds:.0f} rows/s" if counter.rows and seconds > 0.1 else ""
    shares = ", ".join(f"{node}: {parts}" for node, parts in sorted(counter.nodes.items()))
    where = f" ({len(counter.nodes)} nodes: {shares})" if len(counter.nodes) > 1 else ""
    amount = f"{total_rows:,} rows" if total_rows else f"{total_parts:,} {unit}"
    print(f"  {title}: {amount} in {seconds:.1f} s{rate}{where}", file=sys.stderr, flush=True)


@contextmanager
def _bar(
    title: str, counter: Counter, total_parts: int, total_rows: int, live: Callable[[], int]
) -> Iterator[None]:
    from rich.console import Console, RenderableType
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("  {task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    started = time.monotonic()

    class Bar(Progress):
        def get_renderables(self) -> Iterator[RenderableType]:
            """The bar as it stands, asked for ten times a second."""
            rows = counter.rows + live()
            rate = f"{rows / max(time.monotonic() - started, 1e-3):.0f} rows/s" if rows else ""
            for task in self.tasks:
                done = min(rows, total_rows) if total_rows else counter.parts
                self.update(task.id, completed=max(done, task.completed), rate=rate)
            yield from super().get_renderables()

    with Bar(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(title, total=total_rows or total_parts, rate="")
        yield
