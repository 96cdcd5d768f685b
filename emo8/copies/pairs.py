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

from emo8.config import DecideConfig
from emo8.copies import find
from emo8.copies.compare import compare_all
from emo8.copies.search import VERSION as SEARCH_VERSION
from emo8.copies.verify import VERSION as COMPARE_VERSION
from emo8.copies.views import COLUMNS, Views, views_of
from emo8.engines import Engine
from emo8.filters.base import PHASH_RECIPE
from emo8.filters.copies import VIEWS_RECIPE
from emo8.labels import Model, embeddings
from emo8.parts import fingerprint, read_columns, read_fingerprint, write_part
from emo8.steps import part_path

_COMPARED = "compared.parquet"  # in tables/: numbers of every pair compared by the last run
_PLACES = ["left", "right"]  # of two pictures among the distinct ones, in order of the rows
_PICTURES = ["left_pixels", "right_pixels"]  # the same by pixel_sha256, for a build that grew


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What searching a build for possible copies needs."""

    build: Path
    model: Model  # its embeddings are the second witness
    config: DecideConfig
    engine: Engine  # its workers compare
    inputs: str  # fingerprint of the parts that hold the views and embeddings

    def compared(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One line per pair: places `left < right` and `find.NUMBERS`.

        `rows` are all rows of the build (`part`, `row`, `pixel_sha256`, ascending); place p is the
        p-th distinct picture among them, as `pd.factorize` numbers them.
        """
        path = self.build / "tables" / _COMPARED
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
        before = read_fingerprint(path) or ""
        if before == mark:
            return read_columns(path, [*_PLACES, *find.NUMBERS]).to_pandas()
        known = pq.read_table(path).to_pandas() if before.startswith(f"{numbers}/") else None
        found, pictures = self._search(rows, known)
        write_part(_table(found, pictures), path, mark)
        return found

    def _search(
        self, rows: pd.DataFrame, known: pd.DataFrame | None
    ) -> tuple[pd.DataFrame, np.ndarray]:
        """Find the pairs and compare those not among the `known` ones; they, and the pictures."""
        codes, distinct = pd.factorize(rows["pixel_sha256"])
        first = pd.Series(np.arange(len(rows))).groupby(codes).first().drop(-1, errors="ignore")
        folder = self.build / "tables"
        with tempfile.TemporaryDirectory(dir=folder, prefix=".views-") as name:
            views = read_views(self.build, rows.iloc[first], self.model, Path(name))
            asked = pd.DataFrame(find.candidates(views, self.config), columns=_PLACES)
            pictures = np.asarray(distinct, object)
            told = _looked_up(asked, known, pictures)
            new = told["distance"].isna().to_numpy()
            pairs = told.loc[new, _PLACES].to_numpy(np.int64)
            fresh = compare_all(views, pairs, self.config.min_crop_sim, Path(name), self.engine)
        for column in find.NUMBERS:
            told.loc[new, column] = fresh[column].to_numpy(np.float32)
        told["mirrored"] = told["mirrored"] > 0
        return told, pictures


def _looked_up(
    asked: pd.DataFrame, known: pd.DataFrame | None, pictures: np.ndarray
) -> pd.DataFrame:
    """The asked pairs with the numbers already known of them, NaN where there are none."""
    told = asked.astype(np.int32)
    if known is None:
        return told.assign(**dict.fromkeys(find.NUMBERS, np.float32(np.nan)))
    places = pd.Series(np.arange(len(pictures), dtype=np.int32), pictures)
    ends = [known[picture].map(places) for picture in _PICTURES]
    known = known[list(find.NUMBERS)].assign(**dict(zip(_PLACES, ends, strict=True))).dropna()
    told = told.merge(known.astype(dict.fromkeys(_PLACES, np.int32)), on=_PLACES, how="left")
    return told.astype(dict.fromkeys(find.NUMBERS, np.float32))


def _table(found: pd.DataFrame, pictures: np.ndarray) -> pa.Table:
    """The pairs as they are stored: each picture by its place and by its hash."""
    table = pa.Table.from_pandas(found, preserve_index=False)
    names = pa.array(pictures, pa.string())
    for picture, place in zip(_PICTURES, _PLACES, strict=True):
        indices = table.column(place).combine_chunks()
        table = table.append_column(picture, pa.DictionaryArray.from_arrays(indices, names))
    return table


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
