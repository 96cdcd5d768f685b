"""Progress on standard error: a bar on a terminal, one line per stage in a pipe."""

from __future__ import annotations

import sys
import time
from collections import Counter as Tally
from collections.abc import Iterator
from contextlib import contextmanager


class Counter:
    """What a stage calls as it goes."""

    def __init__(self) -> None:
        self.rows = 0
        self.nodes: Tally[str] = Tally()  # machine of a cluster -> parts it did

    def advance(self, parts: int, rows: int, node: str = "") -> None:
        self.rows += rows
        if node:
            self.nodes[node] += parts


@contextmanager
def stage(title: str, total_parts: int, unit: str = "parts") -> Iterator[Counter]:
    """Show one stage of `total_parts` parts with rows per second and the time left."""
    started = time.monotonic()
    if sys.stderr.isatty():
        with _bar(title, total_parts) as counter:
            yield counter
    else:
        counter = Counter()
        yield counter
    seconds = time.monotonic() - started
    rate = f", {counter.rows / seconds:.0f} rows/s" if counter.rows and seconds > 0.1 else ""
    shares = ", ".join(f"{node}: {parts}" for node, parts in sorted(counter.nodes.items()))
    where = f" ({len(counter.nodes)} nodes: {shares})" if len(counter.nodes) > 1 else ""
    print(f"  {title}: {total_parts} {unit} in {seconds:.1f} s{rate}{where}", file=sys.stderr)


@contextmanager
def _bar(title: str, total_parts: int) -> Iterator[Counter]:
    from rich.console import Console
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
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total_parts, rate="")
        started = time.monotonic()

        class Bar(Counter):
            def advance(self, parts: int, rows: int, node: str = "") -> None:
                super().advance(parts, rows, node)
                rate = self.rows / max(time.monotonic() - started, 1e-3)
                progress.update(task, advance=parts, rate=f"{rate:.0f} rows/s")

        yield Bar()
