"""HECO: people in context, one row per person; eight emotions, valence, arousal, dominance.

Whether UniEmoX fed the person or the whole picture is not known: `--view` offers both. The split is
by picture, so that one picture never crosses it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.adapters import files, splits
from benchmarks.adapters.base import Benchmark, Box, LabelledRows, Numbers

INFO = Benchmark(
    name="heco",
    title="HECO: 9,385 pictures, 19,781 people, 8 emotions, valence, arousal, dominance",
    get="from the project page, by yourself",
    license="non-commercial research and education",
    layout="ROOT/Data/ (or Images/) with the pictures, ROOT/Labels/HECO_Labels.csv",
    tasks=("single", "regression", "polarity"),
    split="convention 70/10/20 by picture, per class of its first person, names sorted, seed",
)
SCALES = ("valence", "arousal", "dominance")
CORNERS = ("xmin", "ymin", "xmax", "ymax")
# a real misspelling in the released file (its line 9736), and the shorter forms seen in copies
ALIASES = {"happinesst": "happiness", "happy": "happiness", "sad": "sadness"}


def read(root: Path, seed: int = 0) -> LabelledRows:
    """One row per person of the label file."""
    labels = next(
        (p for p in (root / "Labels" / "HECO_Labels.csv", root / "HECO_Labels.csv") if p.is_file()),
        root / "Labels" / "HECO_Labels.csv",
    )
    files.require(labels, "one line per person", INFO.layout)
    lines = files.read_csv(labels, ("Image", *CORNERS, "Category"))
    images = files.descend(root, ("Data", "Images", "images"))
    prefix = "" if images == root else f"{images.name}/"
    names = [prefix + line["Image"].replace("\\", "/") for line in lines]
    wrong = sum(line["Category"].lower() == "happinesst" for line in lines)
    emotion = [ALIASES.get(line["Category"].lower(), line["Category"]) or None for line in lines]
    boxes, values = [], []
    for place, line in enumerate(lines, start=2):
        where = f"{labels}, line {place}"
        boxes.append(_box([files.number(line[c], where) for c in CORNERS]))
        values.append([files.number(line.get(s.capitalize()), where) for s in SCALES])
    notes = [f"split: {INFO.split.removeprefix('convention ')} {seed}"]
    if wrong:
        notes.append(f"{wrong} x 'Happinesst' read as happiness")
    return files.rows_of(
        INFO.name, root, names, emotion, notes=notes, boxes=boxes,
        split=splits.by_rule(names, [str(e) for e in emotion], 0.7, 0.1, seed),
        scales=Numbers(names=SCALES, values=np.array(values).reshape(-1, 3)),
        columns={
            "self_assurance": [line.get("Label_SA") for line in lines],
            "catharsis": [line.get("Label_CA") for line in lines],
        },
    )  # fmt: skip


def _box(corners: list[float]) -> Box | None:
    if not np.isfinite(corners).all():
        return None
    left, top, right, bottom = corners
    return left, top, right, bottom
