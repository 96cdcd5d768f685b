"""Rows whose pictures are files below a root: what the adapters of public datasets share."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.adapters.base import LabelledRows, emotion_names, read_file
from emo8.core.errors import SourceError
from emo8.core.inside import OutsideError, find, read_plain
from emo8.dataset.open import pictures_below

MAX_TEXT_BYTES = 512 * 1024 * 1024  # of an annotation file: more is no annotation file


def rows_of(
    name: str,
    root: Path,
    files: Sequence[str],
    emotion: Sequence[str | None],
    *,
    split: Sequence[str | None] | None = None,
    columns: Mapping[str, Sequence[str | None]] | None = None,
    notes: Sequence[str] = (),
    **more: Any,
) -> LabelledRows:
    """The rows of files named relative to `root`; each also has the column `file`."""
    spelled, said = emotion_names(list(emotion))
    known: dict[str, list[str | None]] = {"file": list(files)}
    known |= {column: list(values) for column, values in (columns or {}).items()}

    def images(wanted: Sequence[int]) -> list[bytes | None]:
        return [read_below(root, files[row]) for row in wanted]

    return LabelledRows(
        name=name,
        origin=str(root),
        emotion=spelled,
        rule=["human"] * len(files),
        split=list(split) if split is not None else [None] * len(files),
        images=images,
        column=lambda column: known[column],
        column_names=tuple(known),
        notes=(*notes, *said),
        **more,
    )


def read_below(root: Path, name: str) -> bytes | None:
    """The bytes of `name` below `root`; None for a name that leads out of it, or to nothing."""
    try:
        return read_file(find(name, root))
    except (OSError, ValueError):
        return None


def folders(root: Path) -> list[Path]:
    """The folders in `root`, sorted by name, hidden ones left out."""
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def pictures(folder: Path, root: Path) -> list[str]:
    """Picture files below `folder`, as names relative to `root`, sorted."""
    return sorted(path.relative_to(root).as_posix() for path in pictures_below(folder))


def descend(root: Path, names: Sequence[str]) -> Path:
    """`root`, or the folder of one of `names` in it where the archive was unpacked one deeper."""
    for name in names:
        if (root / name).is_dir():
            return root / name
    return root


def require(path: Path, what: str, layout: str) -> Path:
    """The path where it exists; SourceError that shows the expected layout otherwise."""
    if not path.exists():
        raise SourceError(f"{path} is missing: {what}. Expected layout: {layout}.")
    return path


def read_text(path: Path) -> str:
    """A text file of sane size, UTF-8 with or without byte order mark."""
    try:
        data = read_plain(path, MAX_TEXT_BYTES)
    except OutsideError as error:
        raise SourceError(f"{path} is no plain file.") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_TEXT_BYTES:
        raise SourceError(f"{path}: over {MAX_TEXT_BYTES >> 20} MB, no annotation file.")
    return data.decode("utf-8-sig", errors="replace")


def read_csv(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """The lines of a CSV with a header, names stripped; SourceError where columns are missing."""
    reader = csv.DictReader(read_text(path).splitlines(), skipinitialspace=True)
    known = [_bare(name) for name in reader.fieldnames or () if name is not None]
    lines = list(reader)
    if twice := [name for name in needed if known.count(name) > 1]:
        raise SourceError(f"{path}: the column {twice[0]!r} stands twice in the heading.")
    missing = [name for name in needed if name not in known]
    if missing:
        raise SourceError(
            f"{path} has no column {', '.join(missing)}; found {', '.join(known) or 'no lines'}."
        )
    return [
        {_bare(k): _bare(v or "") for k, v in line.items() if k is not None and not _is_list(v)}
        for line in lines
    ]


def _bare(cell: str) -> str:
    """A cell without spaces and the single quotes that some files put around it."""
    return cell.strip().strip("'").strip()


def _is_list(cell: object) -> bool:
    return isinstance(cell, list)  # what a line has beyond its header's columns


def number(text: str | None, where: str) -> float:
    """A number, NaN for nothing; SourceError that says where it stands otherwise."""
    if text is None or not text.strip() or text.strip().lower() in ("nan", "none", "null"):
        return float("nan")
    try:
        return float(text)
    except ValueError as error:
        raise SourceError(f"{where}: {text!r} is not a number.") from error
