"""Emotion6: keyword folders, vote shares over seven labels, valence and arousal.

Four tasks, named in every result: (a) `single`, the folder (a search keyword, not a verified
label; UniEmoX's), (b) `dominant`, the largest share, (c) `distribution`, (d) `regression` of
valence and arousal. `--leave-out neutral` makes (b) and (c) six-way. Not Emotion-6 (WEBEmo's).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.adapters import files, splits
from benchmarks.adapters.base import Benchmark, LabelledRows, Numbers
from emo8.core.errors import SourceError

INFO = Benchmark(
    name="emotion6",
    title="Emotion6: 1,980 pictures, 6 keyword folders, shares over 7 labels, valence, arousal",
    get="from the authors' page, by yourself",
    license="academic research only; pictures belong to their owners",
    layout="ROOT/images/<class>/<n>.jpg and ROOT/ground_truth.txt (tab separated, with header)",
    tasks=("single", "dominant", "distribution", "regression", "polarity"),
    split="convention 70/10/20 per folder (UniEmoX's rule for Emotion6), names sorted first",
    notes=("tasks: single = (a), dominant = (b), distribution = (c), regression = (d)",),
)
SHARES = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
SCALES = ("valence", "arousal")
RANGE = (1.0, 9.0)  # weakly sourced: looked at when loading, and reported


def read(root: Path, seed: int = 0) -> LabelledRows:
    """One row per picture named in `ground_truth.txt`."""
    path = files.require(root / "ground_truth.txt", "shares, valence and arousal", INFO.layout)
    lines = [line.split("\t") for line in files.read_text(path).splitlines() if line.strip()]
    body = lines[1:] if lines and not _is_number(lines[0][1:2]) else lines
    images = files.descend(root, ("images", "Images"))
    prefix = images.relative_to(root).as_posix()
    names, values = [], []
    for place, cells in enumerate(body, start=2):
        if len(cells) != 1 + len(SCALES) + len(SHARES):
            raise SourceError(
                f"{path}, line {place}: 10 tab-separated columns are expected "
                f"(file, valence, arousal, {', '.join(SHARES)}), found {len(cells)}."
            )
        name = cells[0].strip().replace("\\", "/")
        names.append(name if prefix == "." else f"{prefix}/{name}")
        values.append([files.number(cell, f"{path}, line {place}") for cell in cells[1:]])
    table = np.array(values, dtype=np.float64).reshape(len(values), -1)
    emotion = [Path(name).parent.name for name in names]
    scales = table[:, : len(SCALES)]
    notes = [f"split: {INFO.split.removeprefix('convention ')}, seed {seed}", *_odd(scales)]
    return files.rows_of(
        INFO.name, root, names, emotion, split=splits.emotion6(names, emotion, seed), notes=notes,
        shares=Numbers(names=SHARES, values=table[:, len(SCALES) :]),
        scales=Numbers(names=SCALES, values=scales),
    )  # fmt: skip


def _is_number(cells: list[str]) -> bool:
    try:
        return bool(cells) and bool(np.isfinite(float(cells[0])))
    except ValueError:
        return False


def _odd(scales: np.ndarray) -> list[str]:
    if not len(scales):
        return []
    low, high = np.nanmin(scales), np.nanmax(scales)
    found = f"valence and arousal run from {low:g} to {high:g}"
    return [found if RANGE[0] <= low and high <= RANGE[1] else f"{found}: not within 1 to 9"]
