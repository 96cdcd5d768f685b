"""Leaks: rows that are copies of a benchmark's pictures leave, with the benchmark's name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from emo8.core.settings import LeaksConfig
from emo8.duplicates import fingerprints
from emo8.duplicates.fingerprints import About, Prints
from emo8.engine.database import Database
from emo8.engine.files import fingerprint, read_columns, write_part
from emo8.engine.steps import part_path
from emo8.labels.clip.recorded import Model
from emo8.labels.vectors import embeddings
from emo8.tables.rows import Slab

TABLE = "leaks.parquet"  # in tables/
_COLUMNS = ["id", "benchmark", "benchmark_id", "distance", "sim"]
_MATCHES = pa.schema(
    [
        ("n", pa.int64()),  # of the row
        ("number", pa.int64()),  # of the benchmark
        ("id", pa.string()),
        ("benchmark", pa.string()),
        ("benchmark_id", pa.string()),
        ("distance", pa.float64()),
        ("sim", pa.float64()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Leaks:
    """The fingerprints that a recipe names, and the build they are compared with."""

    config: LeaksConfig
    recipe_dir: Path
    build: Path
    model: Model

    def find(self, db: Database, slabs: Sequence[Slab]) -> None:
        """Make the table `leaked`: open rows of `facts` that match a benchmark's picture.

        A row that several benchmarks hold leaves for the first of them.
        """
        benchmarks = [fingerprints.read(self.recipe_dir / file) for file in self.config.files]
        found = [_MATCHES.empty_table()]
        for slab in slabs if benchmarks else ():
            rows = db.frame(
                f"SELECT n, part, row, id, pixel_sha256 FROM facts WHERE n >= {slab.start} "
                f"AND n < {slab.stop} AND reason IS NULL ORDER BY n"
            )
            own = self._prints(rows)
            found += [self._matched(rows, own, k, item) for k, item in enumerate(benchmarks)]
        matches = pa.concat_tables(found).sort_by([("number", "ascending"), ("n", "ascending")])
        db.keep("matches", matches)
        leaves = "TRUE" if self.config.drop else "FALSE"
        db.run(f"""
            CREATE TABLE leaked AS
            SELECT n, 'leaks' AS step, 'leak' AS reason, min_by(distance, number) AS value,
                min_by(benchmark, number) AS detail
            FROM matches WHERE {leaves} GROUP BY n
        """)
        write_part(matches.select(_COLUMNS), self.build / "tables" / TABLE, fingerprint("leaks"))

    def _matched(self, rows: pd.DataFrame, own: Prints, number: int, benchmark: Prints) -> pa.Table:
        """A line for each of the rows that match, also for those of several benchmarks."""
        found = fingerprints.match(
            own, benchmark, max_distance=self.config.max_distance, min_sim=self.config.min_sim
        )
        hits = np.flatnonzero(found.row >= 0)
        columns = {
            "n": rows["n"].to_numpy()[hits],
            "number": np.full(len(hits), number),
            "id": [own.ids[hit] for hit in hits],
            "benchmark": [benchmark.about.name] * len(hits),
            "benchmark_id": [benchmark.ids[row] for row in found.row[hits]],
            "distance": found.distance[hits].astype(float),
            "sim": found.sim[hits].astype(float),
        }
        return pa.table(columns, schema=_MATCHES)

    def _prints(self, rows: pd.DataFrame) -> Prints:
        """Fingerprints of these rows of the build, from what `measure` and CLIP stored."""
        part_of, row_of = rows["part"].to_numpy(), rows["row"].to_numpy()
        detail = np.zeros((len(rows), 2, fingerprints.DETAIL_SIDE**2 // 8), np.uint8)
        vectors = np.zeros((len(rows), self.model.dim), np.float32)
        for part in np.unique(part_of).tolist():
            where = np.flatnonzero(part_of == part)
            wanted = pa.array(row_of[where])
            path = part_path(self.build, "measure", part)
            thumbs = read_columns(path, ["thumb", "thumb_trimmed"]).take(wanted)
            detail[where] = fingerprints.details_of(*thumbs.columns)
            column = read_columns(part_path(self.build, self.model.table, part), ["embedding"])
            vectors[where] = embeddings(column.column("embedding"), self.model.dim)[row_of[where]]
        about = About(name="", model=self.model.name, weights_sha256=self.model.weights_sha256)
        ids = rows["id"].tolist()
        return Prints(
            about=about,
            ids=ids,
            sha256=ids,  # a row's id is the hash of its bytes
            pixel_sha256=rows["pixel_sha256"].tolist(),
            detail=detail,
            windows=np.zeros((len(rows), 0, detail.shape[2]), np.uint8),
            embedding=vectors,
        )


def check_files(recipe_dir: Path, files: Sequence[str]) -> list[str]:
    """SHA-256 of every file of fingerprints; Emo8Error when one cannot be used."""
    digests = []
    for file in files:
        fingerprints.read(recipe_dir / file)
        digests.append(hashlib.sha256((recipe_dir / file).read_bytes()).hexdigest())
    return digests
