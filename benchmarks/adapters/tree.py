"""A tree of image files, one folder per emotion, with or without split folders above."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.adapters.base import (
    LabelledRows,
    emotion_names,
    read_file,
    split_name,
)
from emo8.core.errors import SourceError
from emo8.dataset.open import pictures_below

SPLITS = ("train", "val", "validation", "valid", "test")


def read(root: Path, *, name: str | None = None) -> LabelledRows:
    """The rows of `train|val|test/<emotion>/**` or `<emotion>/**`, sorted by path."""
    if not root.is_dir():
        raise SourceError(f"{root}: no such folder.")
    splits = [folder for folder in _folders(root) if _split_of(folder)]
    found: list[tuple[str | None, str, Path]] = []
    for top in splits or [root]:
        split = split_name(_split_of(top)) if splits else None
        for folder in _folders(top):
            found += [(split, folder.name, file) for file in pictures_below(folder)]
    if len({emotion for _, emotion, _ in found}) < 2:
        seen = ", ".join(folder.name for folder in _folders(root)[:8]) or "no folders"
        raise SourceError(
            f"{root} is not a tree of emotions: expected train|val|test/<emotion>/ or <emotion>/ "
            f"with images in at least two of them, found {seen} and {len(found)} images."
        )
    spelled, notes = emotion_names([emotion for _, emotion, _ in found])
    files = [file for _, _, file in found]

    def images(rows: Sequence[int]) -> list[bytes | None]:
        return [read_file(files[row]) for row in rows]

    def column(_: str) -> list[str | None]:
        return [file.relative_to(root).as_posix() for file in files]

    return LabelledRows(
        name=name or root.name,
        origin=str(root),
        emotion=spelled,
        rule=["source"] * len(found),
        split=[split for split, _, _ in found],
        images=images,
        column=column,
        column_names=("file",),
        notes=notes,
    )


def _split_of(folder: Path) -> str | None:
    """train, val or test for a folder of that name; a number after it (`test25`) counts not."""
    name = folder.name.lower().rstrip("0123456789")
    return name if name in SPLITS else None


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
