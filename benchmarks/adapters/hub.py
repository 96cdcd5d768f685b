"""Whatever `datasets.load_dataset` reads: a dataset folder or an id on the Hub."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.adapters.arrow import (
    emotion_labels,
    narrow_columns,
    people_facts,
    require_columns,
    texts,
)
from benchmarks.adapters.base import LabelledRows, emotion_names, split_name
from emo8.core.errors import SourceError
from emo8.core.inside import cell_bytes, roots_of
from emo8.core.taxonomy import EMOTIONS

if TYPE_CHECKING:
    import datasets


def read(
    where: str, *, name: str | None = None, image: str = "image", emotion: str = "emotion"
) -> LabelledRows:
    """All splits of a dataset as one list of rows, each row knowing its split."""
    splits = _load(where)
    first = next(iter(splits.values()))
    wanted = [(image, "--image-column"), (emotion, "--emotion-column")]
    for split in splits.values():
        require_columns(wanted, split.column_names, where)
    parts = list(splits.values())
    features = first.features
    schema = features.arrow_schema

    def values(column: str) -> list[Any]:
        return [v for part in parts for v in part.data.column(column).to_pylist()]

    def column(column: str) -> list[str | None]:
        return texts(values(column), features[column])

    _require_same_labels(splits, emotion, where)
    spelled, notes = emotion_names(
        emotion_labels(values(emotion), features[emotion], emotion, where)
    )
    has_rule = "emotion_rule" in first.column_names
    return LabelledRows(
        name=name or _short_name(where),
        origin=where,
        emotion=spelled,
        rule=column("emotion_rule") if has_rule else ["source"] * len(spelled),
        split=[split_name(s) for s, part in splits.items() for _ in range(len(part))],
        images=_Images(parts, image, roots_of(where, first.info.builder_name or "")),
        column=column,
        column_names=narrow_columns(schema, without=(image,)),
        notes=notes,
        **people_facts(values, EMOTIONS, first.column_names),
    )


def _load(where: str) -> dict[str, datasets.Dataset]:
    import datasets

    try:
        if (Path(where) / "dataset_dict.json").is_file() or (Path(where) / "state.json").is_file():
            loaded = datasets.load_from_disk(where)
        else:
            loaded = datasets.load_dataset(where)
    except (OSError, ValueError, RuntimeError) as error:
        raise SourceError(
            f"--data {where}: load_dataset could not read it ({type(error).__name__}: {error}). "
            "It must be a dataset folder, a parquet file, a Hub id that can be reached, or a "
            "registered benchmark (see `emo8-bench list`)."
        ) from error
    if isinstance(loaded, datasets.Dataset):
        loaded = {str(loaded.split or "all"): loaded}
    return {name: part for name, part in loaded.items() if len(part)}


def _require_same_labels(splits: dict[str, Any], emotion: str, where: str) -> None:
    orders = {
        tuple(getattr(split.features[emotion], "names", None) or ()) for split in splits.values()
    }
    if len(orders) > 1:
        raise SourceError(
            f"the splits of {where} number the emotions of column {emotion!r} differently: "
            f"{'; '.join(', '.join(order) for order in sorted(orders))}. Give them one feature."
        )


def _short_name(where: str) -> str:
    """The Hub id, or the last two parts of a folder: `build/dataset`; never a whole path."""
    path = Path(where)
    if not path.exists():
        return where
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
