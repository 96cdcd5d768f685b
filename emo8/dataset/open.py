"""Pictures of any published dataset: a build, a dataset folder, a parquet file, a Hub id, a folder.

Nothing of ours is expected: the image column is found by its type, splits by the names of splits,
files or folders, and a label by the names such columns usually have.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emo8.core import inside
from emo8.core.errors import SourceError
from emo8.core.formats import SUFFIXES

LABELS = ("emotion", "label", "labels")
_SPLITS = {"train": "train", "val": "val", "test": "test", "validation": "val", "valid": "val",
           "dev": "val", "eval": "test"}  # fmt: skip
_TABLES = (".parquet", ".arrow")


@dataclass(frozen=True, kw_only=True)
class OpenPicture:
    """One row of somebody's dataset."""

    id: str  # its own id, or file, or split and row number
    split: str  # train, val, test, or what the dataset calls it
    label: str | None
    style: str | None
    data: bytes | None  # encoded; None where the row has no picture


def short_name(data: str) -> str:
    """What a dataset is called: its Hub id, or the last part of its path that says something."""
    path = Path(data)
    if not path.exists():
        return data
    parts = [part for part in path.resolve().parts if part not in ("dataset", "data")]
    return Path(parts[-1]).stem if path.is_file() else parts[-1]


def read(data: str) -> Iterator[OpenPicture]:
    """The pictures of `data` one by one; SourceError when there is nothing to read there."""
    path = Path(data)
    if path.is_dir() and (path / "dataset").is_dir() and (path / "resolved.json").is_file():
        path = path / "dataset"  # a build
    if path.is_file():
        if path.suffix != ".parquet":
            raise SourceError(f"{data}: of single files only .parquet can be read")
        return _tables({"all": [str(path)]}, data)
    if path.is_dir():
        if any(file.suffix in _TABLES for file in path.rglob("*")):
            return _tables(_shards(path), data)
        return _folder(path)
    if data.count("/") != 1 or data.startswith((".", "/", "~")):
        raise SourceError(f"{data}: no such file or folder, and not a Hub id (user/name)")
    return _hub(data)


def _shards(path: Path) -> dict[str, list[str]]:
    """Parquet files by the split in their name or in a folder's name."""
    found: dict[str, list[str]] = {}
    for file in sorted(path.rglob("*.parquet")):
        words = [*file.relative_to(path).parts[:-1], file.stem.split("-")[0]]
        split = next((_SPLITS[w.lower()] for w in reversed(words) if w.lower() in _SPLITS), "all")
        found.setdefault(split, []).append(str(file))
    if not found:
        raise SourceError(f"{path} holds no parquet files; give it as parquet or as pictures")
    return found


def _tables(files: dict[str, list[str]], data: str) -> Iterator[OpenPicture]:
    import datasets

    for number, (split, names) in enumerate(files.items()):
        try:
            stream = datasets.load_dataset(
                "parquet", data_files={"all": names}, split="all", streaming=True
            )
            yield from _rows(stream, split, data, number)
        except (OSError, ValueError, RuntimeError) as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(f"{data} cannot be read: {type(error).__name__}: {error}") from error


def _hub(data: str) -> Iterator[OpenPicture]:
    import datasets

    try:
        splits = datasets.load_dataset(data, streaming=True)
    except Exception as error:  # clients raise anything from OSError to their own kinds
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SourceError(f"{data} could not be read from the Hub: {cause}") from error
    for number, (split, stream) in enumerate(splits.items()):
        yield from _rows(stream, _SPLITS.get(str(split), str(split)), data, number)


def _rows(stream: Any, split: str, data: str, part: int) -> Iterator[OpenPicture]:
    import datasets

    features = dict(stream.features or {})
    image = next((name for name, f in features.items() if isinstance(f, datasets.Image)), "image")
    if image not in features:
        raise SourceError(f"{data} has no image column; found: {', '.join(features)}")
    if isinstance(features[image], datasets.Image):
        stream = stream.cast_column(image, datasets.Image(decode=False))
    label = next((name for name in LABELS if name in features), None)
    named, roots = "split" in features, inside.roots_of(data)
    for number, row in enumerate(stream):
        own = _text(row["split"], features["split"]) if named else None
        yield OpenPicture(
            id=str(row.get("id") or f"{split}-{part}#{number}"),
            split=_SPLITS.get(own.lower(), own) if own else split,
            label=_text(row[label], features[label]) if label else None,
            style=_text(row["style"], features["style"]) if "style" in features else None,
            data=inside.cell_bytes(row[image], *roots),
        )


def _folder(root: Path) -> Iterator[OpenPicture]:
    """`split/label/picture` or `label/picture`, in sorted order."""
    files = sorted(
        Path(parent) / name
        for parent, _, names in os.walk(root)
        for name in names
        if Path(name).suffix.lower() in SUFFIXES
    )
    if not files:
        raise SourceError(f"{root} holds no pictures and no parquet files")
    for file in files:
        folders = file.relative_to(root).parts[:-1]
        split = next((_SPLITS[f.lower()] for f in folders if f.lower() in _SPLITS), "all")
        label = folders[-1] if folders and folders[-1].lower() not in _SPLITS else None
        name = file.relative_to(root).as_posix().encode(errors="backslashreplace").decode()
        yield OpenPicture(
            id=name, split=split, label=label, style=None, data=inside.read(file.name, file.parent)
        )


def _text(value: Any, feature: Any) -> str | None:
    """A label as its name; lists and the like as text."""
    names = getattr(feature, "names", None)
    if value is None or (names is not None and value < 0):
        return None
    return str(names[value]) if names is not None else str(value)
