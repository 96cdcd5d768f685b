"""A tree of image files, one folder per emotion, with or without split folders above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.adapters.base import LabelledRows, emotion_names, read_file, spelling
from emo8.core.errors import SourceError
from emo8.core.taxonomy import EMOTIONS
from emo8.dataset.open import ALL, folder_split, pictures_below


def read(root: Path, *, name: str | None = None) -> LabelledRows:
    """The rows of `train|val|test/<emotion>/**` or `<emotion>/**`, sorted by path.

    Splits may have any name that `emo8.dataset.open` knows. Where some pictures lie in splits, the
    others are left out, with a note. SourceError where it is not plain which folders are labels.
    """
    if not root.is_dir():
        raise SourceError(f"{root}: no such folder.")
    found = [_Picture.of(file, root) for file in pictures_below(root)]
    found = [one for one in found if one.emotion]
    notes: tuple[str, ...] = ()
    if outside := sum(one.split is None for one in found) if has_splits(root) else 0:
        found = [one for one in found if one.split is not None]
        notes = (f"{outside} pictures outside the split folders are left out",)
    _require_emotions(root, found)
    return _rows(name or root.name, root, found, notes)


def has_splits(root: Path) -> bool:
    """Whether a folder in `root` is a split."""
    return any(folder_split(Path(folder.name) / "x") != ALL for folder in _folders(root))


@dataclass(frozen=True)
class _Picture:
    """A picture, and what its folders say."""

    file: Path
    split: str | None
    emotion: str  # the first folder that is no split; "" = none
    below: str  # the folder in that one; "" = none

    @classmethod
    def of(cls, file: Path, root: Path) -> _Picture:
        path = file.relative_to(root)
        split = folder_split(path)
        named = [part for part in path.parts[:-1] if folder_split(Path(part) / "x") == ALL]
        emotion, below, *_ = *named, "", ""
        return cls(file, None if split == ALL else split, emotion, below)


def _require_emotions(root: Path, found: Sequence[_Picture]) -> None:
    emotions = sorted({one.emotion for one in found})
    if len(emotions) < 2:
        seen = ", ".join(folder.name for folder in _folders(root)[:8]) or "no folders"
        raise SourceError(
            f"{root} is not a tree of emotions: expected train|val|test/<emotion>/ or <emotion>/ "
            f"with images in at least two of them, found {seen} and {len(found)} images."
        )
    below = {one.below for one in found}
    if below and all(spelling(name) in EMOTIONS for name in below):
        raise SourceError(
            f"{root}: are {', '.join(emotions[:4])} the emotions, or the folders below them "
            f"({', '.join(sorted(below)[:4])})? A tree is train|val|test/<emotion>/ or <emotion>/: "
            f"give one of {root}/*, or move the pictures."
        )


def _rows(name: str, root: Path, found: Sequence[_Picture], said: tuple[str, ...]) -> LabelledRows:
    spelled, notes = emotion_names([one.emotion for one in found])
    files = [one.file for one in found]

    def images(rows: Sequence[int]) -> list[bytes | None]:
        return [read_file(files[row]) for row in rows]

    def column(_: str) -> list[str | None]:
        return [file.relative_to(root).as_posix() for file in files]

    return LabelledRows(
        name=name,
        origin=str(root),
        emotion=spelled,
        rule=["source"] * len(found),
        split=[one.split for one in found],
        images=images,
        column=column,
        column_names=("file",),
        notes=(*said, *notes),
    )


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
