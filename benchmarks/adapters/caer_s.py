"""CAER-S: seven emotions in television frames; train and test, no validation set in the release.

Frames of one clip can stand in train and in test: the number of copies across the split is part of
every result, and `emo8-bench check` looks for near copies too.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.adapters import files, splits
from benchmarks.adapters.base import Benchmark, Box, LabelledRows
from emo8.core.errors import SourceError

INFO = Benchmark(
    name="caer_s",
    title="CAER-S: 69,999 television frames, 7 emotions",
    get="by request or download from the project page",
    license="research",
    layout="ROOT/CAER-S/train|test/<Class>/0001.png (or ROOT/train|test/…)",
    tasks=("single", "polarity"),
    split="convention: official train kept, official test cut into 34% val and 66% test per class",
    notes=("frames of one clip can be in train and in test",),
)
BOX_LISTS = ("train.txt", "test.txt", "train.csv", "test.csv")


def read(root: Path, seed: int = 0) -> LabelledRows:
    """The rows of both folders; boxes where a third party's list `path,label,x1,y1,x2,y2` lies."""
    top = files.descend(root, ("CAER-S",))
    names, emotion, official = [], [], []
    for split in ("train", "val", "test"):
        for folder in files.folders(top / split):
            for name in files.pictures(folder, root):
                names.append(name)
                emotion.append(_alias(folder.name))
                official.append(split)
    if not {"train", "test"} <= set(official):
        raise SourceError(f"{root}: train and test folders are needed. {INFO.layout}.")
    split = list(official)
    notes = []
    if "val" not in official:
        test = [i for i, s in enumerate(official) if s == "test"]
        cut = splits.by_rule([names[i] for i in test], [emotion[i] for i in test], 0, 0.34, seed)
        for i, side in zip(test, cut, strict=True):
            split[i] = side
        notes.append(f"validation: 34% of the official test per class, seed {seed}")
    boxes, outside = _boxes(top, names)
    if outside:
        notes.append(f"{outside} boxes left the picture or were empty; they are clamped when used")
    return files.rows_of(
        INFO.name, root, names, emotion, split=split, notes=notes,
        columns={"official_split": official},
        boxes=boxes if any(boxes) else None,
    )  # fmt: skip


def _alias(folder: str) -> str:
    return {"happy": "happiness", "sad": "sadness", "angry": "anger"}.get(
        folder.strip().lower(), folder
    )


def _boxes(top: Path, names: list[str]) -> tuple[list[Box | None], int]:
    """Boxes by picture from CSV-like lists; the last two folders and the split name a picture."""
    known: dict[str, Box] = {}
    odd = 0
    for path in (top / name for name in BOX_LISTS):
        if not path.is_file():
            continue
        for place, line in enumerate(files.read_text(path).splitlines(), start=1):
            cells = [cell.strip() for cell in line.split(",")]
            if len(cells) != 6 or not cells[2].lstrip("-").replace(".", "").isdigit():
                continue  # a header or an empty line
            box = tuple(files.number(c, f"{path}, line {place}") for c in cells[2:])
            left, upper, right, lower = box
            odd += int(min(left, upper) < 0 or right <= left or lower <= upper)
            known[_key(cells[0], path.stem)] = (left, upper, right, lower)
    found = [known.get(_key(name, Path(name).parts[-3])) for name in names]
    return found, odd


def _key(name: str, split: str) -> str:
    parts = name.replace("\\", "/").split("/")
    where = split if len(parts) < 3 else parts[-3]
    return "/".join([where, *parts[-2:]])
