"""The pairs of a build that may be copies, compared once and remembered.

Every picture that decodes is searched, whether or not it stays: the numbers then depend on pictures
and models alone, and another threshold, label or vote reads them instead of searching again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from emo8.core.settings import DecideConfig
from emo8.duplicates import find
from emo8.duplicates.candidates import equal_pairs, prepare
from emo8.duplicates.compare import COMPARED, PAIRS_FILE, compare_all, search_all, write_pairs
from emo8.duplicates.find import NUMBERS
from emo8.duplicates.search import VERSION as SEARCH_VERSION
from emo8.duplicates.verify import VERSION as COMPARE_VERSION
from emo8.duplicates.views import COLUMNS, Views, views_of
from emo8.engine import malloc
from emo8.engine.database import Database, parquet
from emo8.engine.files import (
    fingerprint,
    new_array,
    part_writer,
    read_columns,
    read_fingerprint,
    write_part,
)
from emo8.engine.local import Engine
from emo8.engine.steps import part_path
from emo8.labels.clip.recorded import Model
from emo8.labels.vectors import embeddings
from emo8.measure.filters.base import PHASH_RECIPE
from emo8.measure.filters.copies import VIEWS_RECIPE
from emo8.tables.rows import inputs, slabs

_COMPARED = "compared.parquet"  # in tables/: numbers of every pair compared by the last run


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What searching a build for possible copies needs."""

    build: Path
    parts: list[int]  # of the build, ascending
    model: Model  # its embeddings are the second witness
    config: DecideConfig
    engine: Engine  # its workers compare
    inputs: str  # fingerprint of the parts that hold the views and embeddings

    def compare(self, db: Database) -> None:
        """Find and compare the pairs of all pictures, unless the last run did."""
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
            known = parquet(self._path) if before.startswith(f"{numbers}/") else _NOTHING
            self._search(db, known)
            with part_writer(_SCHEMA, self._path, mark) as writer:
                for piece in db.batches(_TOLD):
                    writer.write_table(piece.cast(writer.schema))
            db.run("DROP TABLE asked; DROP VIEW compared; DROP TABLE pictures")
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

    def _search(self, db: Database, known: str) -> None:
        """Make `asked`, all pairs worth comparing, and `compared`, those not among the known."""
        folder = db.folder / "pairs"
        folder.mkdir()
        self._list_pictures(db)
        places = db.frame("SELECT part, row FROM pictures ORDER BY place")
        views = read_views(self.build, places, self.model, folder)
        prepared = prepare(views, self.config, folder)
        write_pairs(equal_pairs(views, prepared, self.config), folder, "equal")
        search_all(views, prepared, self.config, folder, self.engine)
        del prepared, places
        db.run(_ASKED.format(found=parquet(sorted(folder.glob("search-*.parquet"))), known=known))
        new = "FROM asked WHERE known_distance IS NULL"
        pairs = new_array(
            folder / PAIRS_FILE, np.dtype(np.int32), (db.value(f"SELECT count(*) {new}"), 2)
        )
        start = 0
        for piece in db.batches(f'SELECT "left", "right" {new} ORDER BY ALL'):
            pairs[start : start + len(piece)] = np.stack([piece["left"], piece["right"]], axis=1)
            start += len(piece)
        compare_all(views, pairs, self.config.min_crop_sim, folder, self.engine)
        write_part(COMPARED.empty_table(), folder / "compare-none.parquet", "")
        files = sorted(folder.glob("compare-*.parquet"))
        db.run(f"CREATE VIEW compared AS SELECT * FROM {parquet(files)}")

    def _list_pictures(self, db: Database) -> None:
        """Make `pictures`: each once, with the number, part and row of its first row."""
        db.run("CREATE TABLE seen (n BIGINT, part INTEGER, row INTEGER, pixels VARCHAR)")
        for slab in slabs(db, self.parts, "measure"):
            rows = inputs(self.build, slab, ["pixel_sha256", "width"])
            db.run(f"""
                INSERT INTO seen SELECT n, part, row, pixel_sha256 FROM {rows}
                WHERE pixel_sha256 IS NOT NULL AND width IS NOT NULL  -- removed: without views
            """)
        db.run("""
            CREATE TABLE pictures AS
            SELECT row_number() OVER (ORDER BY n) - 1 AS place, *
            FROM (
                SELECT min(n) AS n, arg_min(part, n) AS part, arg_min(row, n) AS row, pixels
                FROM seen GROUP BY pixels
            )
            ORDER BY place
        """)
        db.run("DROP TABLE seen")


_NUMBERS = [name for name in NUMBERS if name != "mirrored"]
_SCHEMA = pa.schema(
    [
        *((name, pa.float32()) for name in _NUMBERS),
        ("mirrored", pa.bool_()),
        ("left", pa.int64()),  # the first row of each of two pictures, by its number in the build
        ("left_pixels", pa.string()),  # the same by pixel_sha256, for a build that grew
        ("right", pa.int64()),
        ("right_pixels", pa.string()),
    ]
)
_NOTHING = (
    f"(SELECT '' AS left_pixels, '' AS right_pixels, {', '.join(f'0 AS {n}' for n in NUMBERS)} "
    "WHERE FALSE)"
)
# Pairs by the places of their pictures, with the numbers of those that an earlier run compared.
_ASKED = f"""
    CREATE TABLE asked AS
    SELECT pairs."left", pairs."right", one.n AS left_n, one.pixels AS left_pixels,
        two.n AS right_n, two.pixels AS right_pixels,
        {", ".join(f"known.{name} AS known_{name}" for name in NUMBERS)}
    FROM (SELECT DISTINCT "left", "right" FROM {{found}}) AS pairs
    JOIN pictures AS one ON pairs."left" = one.place
    JOIN pictures AS two ON pairs."right" = two.place
    LEFT JOIN {{known}} AS known
        ON known.left_pixels = one.pixels AND known.right_pixels = two.pixels
"""
_TOLD = f"""
    SELECT {", ".join(f"coalesce(compared.{name}, known_{name}) AS {name}" for name in _NUMBERS)},
        coalesce(compared.mirrored > 0, CAST(known_mirrored AS BOOLEAN)) AS mirrored,
        left_n AS "left", left_pixels, right_n AS "right", right_pixels
    FROM asked LEFT JOIN compared USING ("left", "right") ORDER BY asked."left", asked."right"
"""


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
