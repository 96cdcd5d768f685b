"""Parts of a run before, put where the new plan wants them.

A part that carries a fingerprint that is wanted elsewhere moves there: a file that came or went
shifts the numbers of all parts behind it, and none of them is made anew. What fits nowhere is kept
in `BUILD/earlier` until the run is complete, where it may still be of use; a run that was killed
leaves it to the next.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from emo8.engine.files import read_fingerprint
from emo8.engine.steps import earlier, part_path


def arrange(build: Path, wanted: dict[str, list[str]], useful: Collection[str]) -> None:
    """Have every part whose fingerprint is among the `wanted` ones (by table) under its number.

    Other parts are put aside if they are of a `useful` table, and removed if not.
    """
    for table, marks in wanted.items():
        _put_aside(build, table, marks)
        aside = earlier(build, table)
        for number, mark in enumerate(marks):
            path, found = part_path(build, table, number), aside / f"{mark}.parquet"
            if found.exists() and not path.exists():
                found.rename(path)
        if table not in useful:
            shutil.rmtree(aside, ignore_errors=True)


def forget(build: Path) -> None:
    """Remove what was put aside: the run is complete."""
    shutil.rmtree(earlier(build, ""), ignore_errors=True)


def _put_aside(build: Path, table: str, marks: list[str]) -> None:
    """Move the parts that are not in their place into `earlier`, each under its fingerprint."""
    aside = earlier(build, table)
    for path in sorted(part_path(build, table, 0).parent.glob("part-*.parquet")):
        mark, number = read_fingerprint(path), int(path.stem.removeprefix("part-"))
        if number < len(marks) and mark == marks[number]:
            continue
        if mark is None:  # damaged
            path.unlink()
            continue
        aside.mkdir(parents=True, exist_ok=True)
        path.replace(aside / f"{mark}.parquet")
