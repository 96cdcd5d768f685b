"""The reader of DATA: whatever form a dataset has, for every command of the three programs.

Nothing of ours is expected in it. The picture column is found by its type, the label by the names
that such columns have, splits by the names of splits, files or folders; docs/data.md has the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from emo8.core import inside
from emo8.core.errors import SourceError
from emo8.core.formats import SUFFIXES
from emo8.core.taxonomy import COUNTED_RULES, class_name, split_name
from emo8.dataset.find_data import (
    ALL,
    FoundData,
    find,
    folder_split,
    pictures_below,
    short_name,
)
from emo8.dataset.open_forms import OPENERS

__all__ = ["ALL", "COUNTED_RULES", "SUFFIXES", "FoundData", "OpenPicture", "find"]
__all__ += [
    "choose_split",
    "folder_split",
    "label_column",
    "label_text",
    "open_split",
    "pictures_below",
    "read",
]
__all__ += ["short_name"]

LABELS = ("emotion", "label", "labels")


@dataclass(frozen=True, kw_only=True)
class OpenPicture:
    """One row of somebody's dataset."""

    id: str  # its own id, or file, or split and row number
    split: str  # train, val, test, or what the dataset calls it
    label: str | None
    style: str | None
    data: bytes | None  # encoded; None where the row has no picture
    rule: str | None = None  # who made the label, where the dataset says so


def read(data: str, *, revision: str = "") -> Iterator[OpenPicture]:
    """The pictures of DATA one by one; SourceError when there is nothing to read there."""
    found = find(data, revision=revision)
    return _read(found)


def _read(found: FoundData) -> Iterator[OpenPicture]:
    for number, split in enumerate(found.splits):
        stream = open_split(found, split, streaming=True)
        yield from _rows(stream, split, number, roots(found, stream))


def open_split(
    found: FoundData,
    split: str,
    *,
    streaming: bool = False,
    columns: Sequence[str] = (),
    image: str = "image",
) -> Any:
    """One split as a `Dataset` (or `IterableDataset`) whose column `image` is not decoded.

    `split` is a key of `found.splits`. Files are memory-mapped or streamed by `datasets`.
    `columns` are those wanted of a stream, by default all; `image` is the dataset's own name of the
    picture column, found by its type where it has none of that name. SourceError says what cannot
    be read.
    """
    try:
        dataset = OPENERS[found.form](found, split, streaming, list(columns) or None)
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, SourceError):
            raise
        cause = (str(error).strip().splitlines() or [""])[0]
        raise SourceError(
            f"{found.where} cannot be read: {type(error).__name__}: {cause}"
        ) from error
    return dataset if columns and "image" not in columns else _undecoded(dataset, found, image)


def choose_split(found: FoundData, split: str | None, *, own_column: bool = False) -> str:
    """The key of `found.splits` that `split` spells; None means the only one, or `train`.

    Rows without any split count as `train`. With `own_column` the rows of a single file may still
    say their split themselves (`rows_of_split`). SourceError names the splits that there are.
    """
    known = list(found.splits)
    if split is None:
        return known[0] if len(known) == 1 or "train" not in known else "train"
    for name in (split, split_name(split)):
        if name in known:
            return name
    if known == [ALL] and (own_column or split_name(split) == "train"):
        return ALL
    raise SourceError(f"{found.where}: no split {split!r}; it has {', '.join(known)}")


def rows_of_split(dataset: Any, split: str | None, found: FoundData) -> Any:
    """The rows of a dataset without splits that name this one in their own column `split`.

    All rows where there is no such column and `train` or nothing is asked for.
    """
    wanted = split_name(split or "train")
    if "split" not in dataset.column_names:
        if wanted in ("train", ALL):
            return dataset
        raise SourceError(f"{found.where}: no split {split!r}; its rows name none")
    feature = dataset.features["split"]
    named = [label_text(value, feature) for value in dataset["split"]]
    if split is None and not any(named):
        return dataset
    inside_it = [row for row, name in enumerate(named) if name and split_name(name) == wanted]
    if not inside_it:
        known = ", ".join(sorted({split_name(name) for name in named if name}))
        raise SourceError(f"{found.where}: no split {split or wanted!r}; it has {known}")
    return dataset.select(inside_it)


def roots(found: FoundData, dataset: Any) -> tuple[Any, ...]:
    """The folders that pictures which a dataset names by path may lie in."""
    info = getattr(dataset, "info", None)
    return inside.roots_of(found.where, (info.builder_name if info else "") or "")


def label_column(names: Sequence[str]) -> str | None:
    """The column that holds the label, by the names such columns have; None where there is none."""
    return next((name for name in LABELS if name in names), None)


def require_names(feature: Any, column: str, where: str) -> None:
    """Raise SourceError for a label column of numbers that nothing names."""
    kind = str(getattr(feature, "dtype", ""))
    if getattr(feature, "names", None) is None and kind.startswith(("int", "uint", "float")):
        raise SourceError(
            f"{where}: column {column} holds numbers and does not say which emotion each one is; "
            "write names, or a ClassLabel with names"
        )


def label_text(value: Any, feature: Any) -> str | None:
    """A label as its name: class numbers by the names of their feature, -1 is no label."""
    names = getattr(feature, "names", None)
    found = class_name(value, names) if names is not None else value
    return None if found is None else str(found)


def _undecoded(dataset: Any, found: FoundData, wanted: str) -> Any:
    """The dataset with its pictures as bytes or paths, in a column called `image`."""
    import datasets

    features = dict(dataset.features or {})
    images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    column = wanted if wanted in features else next(iter(images), None)
    if column is None or (column != wanted and wanted != "image"):
        raise SourceError(
            f"{found.where} has no column {wanted!r} and no other image column; "
            f"found: {', '.join(features)}"
        )
    if isinstance(features[column], datasets.Image):
        dataset = dataset.cast_column(column, datasets.Image(decode=False))
    if column == "image":
        return dataset
    dataset = dataset.remove_columns("image") if "image" in features else dataset
    return dataset.rename_column(column, "image")


def _rows(stream: Any, split: str, part: int, folders: tuple[Any, ...]) -> Iterator[OpenPicture]:
    features = dict(stream.features or {})
    label = label_column(list(features))

    def text(row: dict[str, Any], column: str | None) -> str | None:
        return label_text(row[column], features[column]) if column and column in features else None

    for number, row in enumerate(stream):
        own = text(row, "split")
        yield OpenPicture(
            id=str(row.get("id") or f"{split}-{part}#{number}"),
            split=split_name(own) if own else split,
            label=text(row, label),
            style=text(row, "style"),
            rule=text(row, "emotion_rule"),
            data=inside.cell_bytes(row["image"], *folders),
        )
