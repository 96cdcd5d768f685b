"""Searching and comparing in tasks: each the same wherever it runs, on its own files.

All of a search lies in one folder of the build: the views, what the pieces of the search share,
the pairs to compare, and a file of what each task found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from emo8.core.errors import BuildError
from emo8.core.settings import DecideConfig
from emo8.duplicates.candidates import Piece, Prepared, find, open_prepared
from emo8.duplicates.find import NUMBERS, measured
from emo8.duplicates.views import Views, open_views
from emo8.engine.files import write_part
from emo8.engine.local import Engine, Task
from emo8.engine.progress import stage

PAIRS_PER_PART = 2000  # some seconds of work; fewer are compared here and now
ROWS_HERE = 8192  # pictures that are searched here and now
PAIRS_FILE = "pairs.npy"
_ENDS = {"left": pa.int64(), "right": pa.int64()}
COMPARED = pa.schema({**_ENDS, **dict.fromkeys(NUMBERS, pa.float32())})


@dataclass(frozen=True, kw_only=True)
class SearchTask:
    """Search one piece: the pairs worth comparing."""

    build: Path  # the folder
    part: int
    piece: Piece
    config: DecideConfig
    table: str = "search"
    fingerprint: str = ""  # the folder is gone when the run ends

    def setup(self) -> tuple[Views, Prepared]:
        return open_views(self.build), open_prepared(self.build)

    def run(self, state: tuple[Views, Prepared]) -> int:
        """Write the pairs; how many there are comes back."""
        return write_pairs(find(*state, self.piece, self.config), self.build, self.part)


def write_pairs(pairs: np.ndarray, folder: Path, part: int | str) -> int:
    """Write (P, 2) pairs among those that the tasks found; P comes back."""
    table = pa.table(list(pairs.T), schema=pa.schema(_ENDS))
    write_part(table, folder / f"search-{part}.parquet", "")
    return len(pairs)


@dataclass(frozen=True, kw_only=True)
class CompareTask:
    """Compare one part of the pairs in the folder."""

    build: Path
    part: int
    start: int  # of its pairs
    stop: int
    min_crop_sim: float
    table: str = "compare"
    fingerprint: str = ""

    def setup(self) -> tuple[Views, np.ndarray]:
        return open_views(self.build), np.load(self.build / PAIRS_FILE, mmap_mode="r")

    def run(self, state: tuple[Views, np.ndarray]) -> int:
        """Write the numbers of the part's pairs; how many there are comes back."""
        views, pairs = state
        found = measured(views, np.array(pairs[self.start : self.stop]), self.min_crop_sim)
        table = pa.Table.from_pandas(found, preserve_index=False).cast(COMPARED)
        write_part(table, self.build / f"compare-{self.part}.parquet", self.fingerprint)
        return len(found)


def search_all(
    views: Views, prepared: Prepared, config: DecideConfig, folder: Path, engine: Engine
) -> None:
    """Have every piece searched."""
    tasks = [
        SearchTask(build=folder, part=part, piece=piece, config=config)
        for part, piece in enumerate(prepared.pieces())
    ]
    here = (views, prepared) if len(views) <= ROWS_HERE else None
    _do(tasks, engine, "searching for possible copies", here)


def compare_all(
    views: Views, pairs: np.ndarray, min_crop_sim: float, folder: Path, engine: Engine,
    per_part: int = PAIRS_PER_PART,
) -> None:  # fmt: skip
    """Have every pair of PAIRS_FILE compared."""
    tasks = [
        CompareTask(
            build=folder, part=part, start=start, stop=start + per_part, min_crop_sim=min_crop_sim
        )
        for part, start in enumerate(range(0, len(pairs), per_part))
    ]
    here = (views, pairs) if len(tasks) < 2 else None
    _do(tasks, engine, "comparing possible copies", here)


def _do(tasks: Sequence[Task], engine: Engine, doing: str, here: Any) -> None:
    """Run tasks by the engine, or in this process with the state `here`."""
    if here:
        for task in tasks:
            task.run(here)
        return
    with stage(tasks[0].table, len(tasks)) as counter:
        for outcome in engine.run(tasks):
            counter.advance(1, outcome.num_rows, outcome.node)
            if outcome.error:
                raise BuildError(
                    f"{doing} failed in part {outcome.task.part} of {len(tasks)}: "
                    f"{outcome.error}; run the same command again"
                )
