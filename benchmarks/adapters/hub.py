"""A dataset of several files, of `save_to_disk` or on the Hub, as `emo8.dataset.open` finds it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.adapters.arrow import Columns, label_of, require_columns
from benchmarks.adapters.base import LabelledRows, split_name
from emo8.core.errors import SourceError
from emo8.core.inside import cell_bytes
from emo8.dataset.open import ALL, FoundData, open_split, roots

if TYPE_CHECKING:
    import datasets


def read(
    found: FoundData, *, name: str | None = None, image: str = "image", emotion: str = "emotion"
) -> LabelledRows:
    """All splits of a dataset as one list of rows, each row knowing its split."""
    where = found.where
    opened = {split: open_split(found, split, image=image) for split in found.splits}
    splits = {split: part for split, part in opened.items() if len(part)}
    first = next(iter(splits.values()))
    emotion = label_of(emotion, first.column_names)
    for split in splits.values():
        require_columns([(emotion, "--emotion-column")], split.column_names, where)
    parts = list(splits.values())
    _require_same_labels(splits, emotion, where)

    def values(column: str) -> list[Any]:
        return [v for part in parts for v in part.data.column(column).to_pylist()]

    columns = Columns(
        values=values, features=first.features, schema=first.features.arrow_schema, origin=where
    )
    return columns.labelled(
        name=name or _short_name(found),
        emotion=emotion,
        image="image",
        split=_splits(splits, columns.text),
        images=_Images(parts, "image", roots(found, first)),
    )


def _splits(splits: dict[str, Any], column: Callable[[str], list[str | None]]) -> list[str | None]:
    """The split of every row: its part's, or where the parts have no name, its own column's."""
    if list(splits) == [ALL]:
        (part,) = splits.values()
        own = "split" in part.column_names
        return [split_name(s) for s in column("split")] if own else [None] * len(part)
    return [s for s, part in splits.items() for _ in range(len(part))]


def _require_same_labels(splits: dict[str, Any], emotion: str, where: str) -> None:
    orders = {
        tuple(getattr(split.features[emotion], "names", None) or ()) for split in splits.values()
    }
    if len(orders) > 1:
        raise SourceError(
            f"the splits of {where} number the emotions of column {emotion!r} differently: "
            f"{'; '.join(', '.join(order) for order in sorted(orders))}. Give them one feature."
        )


def _short_name(found: FoundData) -> str:
    """The Hub id, or the last two parts of a folder: `build/dataset`; never a whole path."""
    path = Path(found.where)
    if not path.exists():
        return found.name
    parts = path.resolve().parts
    return "/".join(parts[-2:]) if parts[-1] == "dataset" else parts[-1]


class _Images:
    """Encoded bytes of the images at given rows over all splits, without decoding."""

    def __init__(self, parts: list[datasets.Dataset], column: str, roots: tuple[Path, ...]) -> None:
        import datasets

        self._column, self._roots = column, roots
        self._parts = [part.select_columns([column]) for part in parts]
        if isinstance(parts[0].features[column], datasets.Image):
            raw = datasets.Image(decode=False)
            self._parts = [part.cast_column(column, raw) for part in self._parts]
        self._starts = [0]
        for part in parts:
            self._starts.append(self._starts[-1] + len(part))

    def __call__(self, rows: Sequence[int]) -> list[bytes | None]:
        return [self._one(int(row)) for row in rows]

    def _one(self, row: int) -> bytes | None:
        part = bisect_right(self._starts, row) - 1
        cell = self._parts[part][row - self._starts[part]][self._column]
        return cell_bytes(cell, *self._roots)
