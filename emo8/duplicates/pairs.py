"""The pairs of a build that may be copies, compared once and remembered.

Every picture that decodes is searched, whether or not it stays: the numbers then depend on pictures
and models alone, and another threshold, label or vote reads them instead of searching again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.settings import DecideConfig
from emo8.duplicates import find
from emo8.duplicates.compare import compare_all
from emo8.duplicates.search import VERSION as SEARCH_VERSION
from emo8.duplicates.verify import VERSION as COMPARE_VERSION
from emo8.duplicates.views import COLUMNS, Views, views_of
from emo8.engine import malloc
from emo8.engine.database import parquet
from emo8.engine.files import fingerprint, read_columns, read_fingerprint, write_part
from emo8.engine.local import Engine
from emo8.engine.row_index import first_occurrence, index_of
from emo8.engine.steps import part_path
from emo8.labels.clip_steps import Model, embeddings
from emo8.measure.filters.base import PHASH_RECIPE
from emo8.measure.filters.copies import VIEWS_RECIPE

_COMPARED = "compared.parquet"  # in tables/: numbers of every pair compared by the last run
_ROWS = ["left", "right"]  # the first row of each of two pictures, by its number in the build
_PICTURES = ["left_pixels", "right_pixels"]  # the same by pixel_sha256, for a build that grew


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What searching a build for possible copies needs."""

    build: Path
    parts: list[int]  # of the build, ascending
    model: Model  # its embeddings are the second witness
    config: DecideConfig
    engine: Engine  # its workers compare
    inputs: str  # fingerprint of the parts that hold the views and embeddings

    def compare(self) -> None:
        """Find and compare the pairs of all pictures, unless the last run did.

        To be done before the rows are read: both take as much memory.
        """
        numbers = fingerprint(
            COMPARE_VERSION,
            PHASH_RECIPE,
            VIEWS_RECIPE,
            self.model.weights_sha256,
            self.config.min_crop_sim,
        )
        search = fingerprint(
            SEARCH_VERSION,
            self.config.max_near_distance,
            self.config.near_neighbours,
            self.inputs,
        )
        mark = f"{numbers}/{search}"
        before = read_fingerprint(self._path) or ""
        if before != mark:
            known = pq.read_table(self._path) if before.startswith(f"{numbers}/") else None
            write_part(self._search(known), self._path, mark)
            malloc.trim()

    def possible(self) -> str:
        """SQL: pairs that may be copies by some style's limits: `left`, `right`, `find.NUMBERS`.

        A picture is named by the number of its first row among all rows of the parts.
        """
        columns = ", ".join(('"left"', '"right"', *find.NUMBERS))
        if not self.parts:
            nothing = ", ".join(f"0 AS {name}" for name in ('"left"', '"right"', *find.NUMBERS))
            return f"SELECT {nothing} WHERE FALSE"
        return f"SELECT {columns} FROM {parquet(self._path)} WHERE {find.possible(self.config)}"

    @property
    def _path(self) -> Path:
        return self.build / "tables" / _COMPARED

    def _search(self, known: pa.Table | None) -> pa.Table:
        """Find the pairs and compare those not among the `known` ones: a line for each."""
        pictures, where = self._pictures()
        first = where["n"].to_numpy()
        folder = self.build / "tables"
        with tempfile.TemporaryDirectory(dir=folder, prefix=".views-") as name:
            views = read_views(self.build, where, self.model, Path(name))
            asked = find.candidates(views, self.config)
            told = _looked_up(asked, known, pictures)
            new = np.isnan(told[:, 0])
            told[new] = compare_all(
                views, asked[new], self.config.min_crop_sim, Path(name), self.engine
            )
        columns = dict(zip(find.NUMBERS, told.T, strict=True))
        columns["mirrored"] = columns["mirrored"] > 0
        for row, picture, places in zip(_ROWS, _PICTURES, asked.T, strict=True):
            columns[row] = first[places]
            columns[picture] = pictures.take(pa.array(places))
        return pa.table(columns)

    def _pictures(self) -> tuple[pa.Array, pd.DataFrame]:
        """`pixel_sha256` of distinct pictures, with `n`, `part` and `row` of the first of each."""
        names = [
            read_columns(part_path(self.build, "measure", part), ["pixel_sha256"]).column(0)
            for part in self.parts
        ]
        chunks = [chunk for column in names for chunk in column.chunks]
        every = pa.chunked_array(chunks, pa.string()).combine_chunks()
        first = np.flatnonzero(first_occurrence(every) == np.arange(len(every)))
        sizes = np.array([len(column) for column in names])
        number = np.repeat(np.arange(len(names)), sizes)[first]
        row = first - (np.cumsum(sizes) - sizes)[number]
        where = pd.DataFrame({"n": first, "part": np.array(self.parts)[number], "row": row})
        return every.take(pa.array(first)), where


def _looked_up(asked: np.ndarray, known: pa.Table | None, pictures: pa.Array) -> np.ndarray:
    """(P, 6) float32 `NUMBERS` of the (P, 2) asked pairs as far as known, NaN beyond."""
    told = np.full((len(asked), len(find.NUMBERS)), np.nan, np.float32)
    if known is None or not len(asked):
        return told
    pairs = np.stack([index_of(known[picture], pictures) for picture in _PICTURES], axis=1)
    here = np.flatnonzero((pairs >= 0).all(axis=1))
    keys = pd.Index(find.key(pairs[here], len(pictures)))
    place = keys.get_indexer(pd.Index(find.key(asked, len(pictures))))
    for number, name in enumerate(find.NUMBERS):
        told[place >= 0, number] = known[name].to_numpy()[here[place[place >= 0]]]
    return told


def read_views(build: Path, rows: pd.DataFrame, model: Model, folder: Path | None) -> Views:
    """The views of these rows (`part`, `row`, ascending) of a build, as files in `folder`."""
    part_of, row_of = rows["part"].to_numpy(), rows["row"].to_numpy()

    def pieces() -> Iterator[tuple[pa.Table, np.ndarray]]:
        for part in np.unique(part_of).tolist():
            wanted = row_of[part_of == part]
            column = read_columns(part_path(build, model.table, part), ["embedding"])
            vectors = embeddings(column.column("embedding"), model.dim)[wanted]
            table = read_columns(part_path(build, "measure", part), list(COLUMNS))
            yield table.take(pa.array(wanted)), vectors

    return views_of(pieces(), len(rows), model.dim, folder)
