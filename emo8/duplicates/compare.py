"""Comparing many pairs: in parts on an engine's workers, each part the same wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.errors import BuildError
from emo8.duplicates.find import NUMBERS, measured
from emo8.duplicates.views import Views, open_views
from emo8.engine.files import part_name, write_part
from emo8.engine.local import Engine, Task
from emo8.engine.progress import stage

PAIRS_PER_PART = 2000  # some seconds of work; fewer are compared here and now
PAIRS_FILE = "pairs.npy"


@dataclass(frozen=True, kw_only=True)
class CompareTask:
    """Compare one part of the pairs in a folder of views."""

    build: Path  # the folder: views, pairs, and where the numbers go
    part: int
    start: int  # of its pairs
    stop: int
    min_crop_sim: float
    table: str = "compare"
    fingerprint: str = ""  # the folder is gone when the run ends

    def setup(self) -> tuple[Views, np.ndarray]:
        return open_views(self.build), np.load(self.build / PAIRS_FILE, mmap_mode="r")

    def run(self, state: tuple[Views, np.ndarray]) -> int:
        """Write the numbers of the part's pairs; how many there are comes back."""
        views, pairs = state
        part = np.array(pairs[self.start : self.stop])
        numbers = pa.Table.from_pandas(measured(views, part, self.min_crop_sim))
        write_part(numbers, self.build / part_name(self.part), self.fingerprint)
        return len(part)


def compare_all(
    views: Views,
    pairs: np.ndarray,
    min_crop_sim: float,
    folder: Path,
    engine: Engine,
    per_part: int = PAIRS_PER_PART,
) -> np.ndarray:
    """(P, 6) float32 `NUMBERS` of (P, 2) pairs of the views in `folder`."""
    if len(pairs) <= per_part:
        return _numbers(measured(views, pairs, min_crop_sim))
    np.save(folder / PAIRS_FILE, pairs)
    starts = range(0, len(pairs), per_part)
    num_parts = len(starts)
    tasks: list[Task] = [
        CompareTask(
            build=folder, part=part, start=start, stop=start + per_part, min_crop_sim=min_crop_sim
        )
        for part, start in enumerate(starts)
    ]
    with stage("compare", num_parts) as counter:
        for outcome in engine.run(tasks):
            counter.advance(1, outcome.num_rows, outcome.node)
            if outcome.error:
                raise BuildError(
                    f"comparing possible copies failed in part {outcome.task.part} of {num_parts}: "
                    f"{outcome.error}; run the same command again"
                )
    told = np.empty((len(pairs), len(NUMBERS)), np.float32)
    for part, start in enumerate(starts):
        numbers = pq.read_table(folder / part_name(part)).to_pandas()
        told[start : start + per_part] = _numbers(numbers)
    return told


def _numbers(compared: pd.DataFrame) -> np.ndarray:
    return compared[list(NUMBERS)].to_numpy(np.float32)
