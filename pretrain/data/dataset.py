"""Rows of a published dataset as decoded pixels and texts, read through `load_dataset`.

A `Source` gives pixels by row number. It is a dataset that decodes on access (`DatasetSource`), or
small decoded pixels in memory or in a cache file (`cache.py`). `batches.py`
makes training batches of it.

Letters: H W pixels, C channels.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from pretrain.config.settings import DataConfig, ViewConfig
from pretrain.views.pictures import (
    Picture,
    Pixels,
    UnreadableImageError,
    decode,
    open_picture,
    whole_picture,
)

if TYPE_CHECKING:
    import datasets

    from pretrain.data.streaming import StreamSource

logger = logging.getLogger(__name__)

# Stands in for a row without any text; CLIP has a sensible vector for it, unlike for "".
NO_TEXT = "a picture"
LABELS = ("emotion", "style", "emotion_rule")
PEOPLE = "a list of structs with x0, y0, x1, y1 as fractions of width and height is needed"
PEOPLE_ROWS = 1000  # whose boxes are looked at when a dataset is opened
PIXELS_ABOVE = 2.0  # of a fraction: a box may reach over the edge, but not so far


class Source(Protocol):
    """Rows by number."""

    ids: list[str]
    texts: list[str]  # distinct texts
    text_index: Tensor  # int64 (N,): which text belongs to a row
    skipped: list[str]  # ids of rows left out because they do not decode
    labels: dict[str, list[str | None]]  # by column of LABELS, those that the dataset has

    def pixels(self, row: int) -> Pixels:
        """Decoded pixels; UnreadableImageError where that fails."""
        ...

    def picture(self, row: int) -> Picture:
        """The same row ready to be cut, decoded only as far as the cut needs."""
        ...


class DatasetSource:
    """A split of a dataset, decoded on access."""

    def __init__(
        self,
        dataset: datasets.Dataset,
        config: DataConfig,
        views: ViewConfig,
        roots: Sequence[Path] = (),  # where pictures that are named by path may lie
    ) -> None:
        self._has_people = "people" in dataset.column_names
        if self._has_people:
            first = dataset.select(range(min(PEOPLE_ROWS, len(dataset))))
            require_people(dataset.features["people"], first["people"])
        columns = ["image", "people"] if self._has_people else ["image"]
        # Arrow rows: no decoding, no copying by `datasets`
        self._dataset, self._views = dataset.select_columns(columns).with_format("arrow"), views
        self._roots = tuple(roots)
        self.ids = row_ids(dataset, roots)
        self.texts, self.text_index = distinct(row_texts(dataset, config))
        if config.text_dropout and NO_TEXT not in self.texts:
            self.texts.append(NO_TEXT)
        self.skipped: list[str] = []
        self.labels = row_labels(dataset)

    def pixels(self, row: int) -> Pixels:
        data, people = self._read(row)
        try:
            return whole_picture(decode(data), people, self._views)
        except UnreadableImageError as problem:
            raise UnreadableImageError(f"row {self.ids[row]}: {problem}") from problem

    def picture(self, row: int) -> Picture:
        data, people = self._read(row)
        try:
            return open_picture(data, people, self._views)
        except UnreadableImageError as problem:
            raise UnreadableImageError(f"row {self.ids[row]}: {problem}") from problem

    def _read(self, row: int) -> tuple[bytes | None, Any]:
        from emo8.core.inside import cell_bytes

        line = self._dataset[row]  # a table of one row
        people = line.column("people")[0].as_py() if self._has_people else None
        return cell_bytes(line.column("image")[0].as_py(), *self._roots), people


def open_dataset(data: str, split: str | None, *, revision: str = "") -> datasets.Dataset:
    """One split of DATA, whatever its form (`emo8.dataset.open`), pictures left encoded.

    All spellings of a split mean the same; None means the only split, or "train"; "train+val"
    joins. A single file is split by its column `split`, where it has one.
    """
    import datasets

    import emo8.dataset.open as opendata

    if split and "+" in split:
        parts = [open_dataset(data, part, revision=revision) for part in split.split("+")]
        return datasets.concatenate_datasets(parts)
    found = opendata.find(data, revision=revision)
    wanted = opendata.choose_split(found, split, own_column=True)
    dataset = opendata.open_split(found, wanted)
    return opendata.rows_of_split(dataset, split, found) if wanted == opendata.ALL else dataset


def roots(data: str, dataset: datasets.Dataset | datasets.IterableDataset) -> tuple[Path, ...]:
    """The folders that pictures which a dataset names by path may lie in."""
    from emo8.core.inside import roots_of

    return roots_of(data, (dataset.info.builder_name if dataset.info else "") or "")


def split_names(data: str) -> list[str]:
    """The splits of a dataset; rows without any are `train`."""
    from emo8.dataset.open import ALL, find

    return ["train" if name == ALL else name for name in find(data).splits]


def choose_split(data: str, split: str | None, known: Sequence[str]) -> str:
    """The name under which `known`, the splits of a cache file, holds the split asked for."""
    from emo8.core.taxonomy import split_name

    if split is None:
        return known[0] if len(known) == 1 or "train" not in known else "train"
    for name in (split, *(one for one in known if split_name(one) == split_name(split))):
        if name in known:
            return name
    raise ValueError(f"--data {data}: no split {split!r}; it has {', '.join(known)}")


def fingerprint(source: Source | StreamSource) -> str:
    """SHA-256 over row ids, their order and their texts: what makes two runs see the same data."""
    digest = hashlib.sha256("\n".join(source.ids).encode())
    for text in source.texts:
        digest.update(b"\0" + text.encode())
    digest.update(source.text_index.numpy().tobytes())
    return digest.hexdigest()


def row_texts(dataset: datasets.Dataset, config: DataConfig) -> list[str]:
    """The text of every row: the first column that says something, the emotion added if asked."""
    columns = [name for name in config.text_columns if name in dataset.column_names]
    missing = [name for name in config.text_columns if name not in columns]
    if not columns or (missing and config.text_columns != DataConfig().text_columns):
        raise ValueError(
            f"text columns {', '.join(missing)} are not in the dataset; "
            f"choose with --data.text_columns among {', '.join(dataset.column_names)}"
        )
    for name in columns:
        kind = dataset.features[name]
        if getattr(kind, "dtype", None) not in ("string", "large_string"):
            raise ValueError(
                f"data.text_columns: column {name} holds no texts but {kind}; name a column with "
                "one text a row"
            )
    emotions = _emotion_names(dataset) if config.text_with_emotion else None
    texts = []
    for row, values in enumerate(zip(*(dataset[name] for name in columns), strict=True)):
        text = next((value.strip() for value in values if value and value.strip()), NO_TEXT)
        emotion = emotions[row] if emotions else None
        texts.append(f"{text.rstrip('.')}. It evokes {emotion}." if emotion else text)
    return texts


def distinct(texts: Sequence[str]) -> tuple[list[str], Tensor]:
    """The texts without repeats, and for each input its place there, int64 (N,)."""
    places: dict[str, int] = {}
    index = [places.setdefault(text, len(places)) for text in texts]
    return list(places), torch.tensor(index, dtype=torch.int64)


def require_people(feature: Any, listed: Iterable[Any]) -> None:
    """ValueError where boxes have another form, so that nobody would be found in any picture.

    `feature` and `listed` are the type of the column `people` and what it holds in some rows.
    """
    corners = getattr(getattr(feature, "feature", None), "keys", lambda: ())()
    if isinstance(feature, list) and feature and isinstance(feature[0], dict):
        corners = feature[0].keys()  # how older versions of `datasets` write a list of structs
    if not {"x0", "y0", "x1", "y1"} <= set(corners):
        raise ValueError(f"column people: {PEOPLE}; found {feature}")
    boxes = [[p.get(c) for c in ("x0", "y0", "x1", "y1")] for many in listed for p in many or ()]
    known = [box for box in boxes if None not in box]
    pixels = [box for box in known if max(box) > PIXELS_ABOVE]
    if 2 * len(pixels) > len(known):
        raise ValueError(
            f"column people: {PEOPLE}, and {len(pixels)} of {len(known)} boxes seem to be in "
            f"pixels, as {pixels[0]}"
        )


def row_ids(dataset: datasets.Dataset, roots: Sequence[Path] = ()) -> list[str]:
    """The `id` column, or the SHA-256 of the image bytes where a file has none."""
    if "id" in dataset.column_names:
        return [str(value) for value in dataset["id"]]
    from emo8.core.inside import cell_bytes

    cells = (cell_bytes(value, *roots) for value in dataset["image"])
    return [hashlib.sha256(data or b"").hexdigest() for data in cells]


def row_labels(dataset: datasets.Dataset) -> dict[str, list[str | None]]:
    """{column: a name or None per row} of the columns of LABELS that the dataset has."""
    return {name: _names(dataset, name) for name in LABELS if name in dataset.column_names}


def _names(dataset: datasets.Dataset, column: str) -> list[str | None]:
    """Values of a column, class numbers as names."""
    from emo8.core.taxonomy import class_name

    names = getattr(dataset.features[column], "names", None)
    found = [class_name(value, names) if names else value for value in dataset[column]]
    return [None if value in (None, "") else str(value) for value in found]


def _emotion_names(dataset: datasets.Dataset) -> list[str | None]:
    if "emotion" not in dataset.column_names:
        raise ValueError("data.text_with_emotion: the dataset has no column 'emotion'")
    return _names(dataset, "emotion")
