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
from emo8.engine.files import fingerprint, read_columns, write_part
from emo8.engine.steps import part_path
from emo8.labels.clip_steps import Model, embeddings

TABLE = "leaks.parquet"  # in tables/
PIECE_ROWS = 65_536  # of a build compared at a time: some 2 KB each
_COLUMNS = ("id", "benchmark", "benchmark_id", "distance", "sim")


@dataclass(frozen=True, kw_only=True)
class Leaks:
    """The fingerprints that a recipe names, and the build they are compared with."""

    config: LeaksConfig
    recipe_dir: Path
    build: Path
    model: Model

    def reject(self, verdicts: pd.DataFrame, rows: pd.DataFrame) -> None:
        """Fill step, reason, value and detail of open rows that match a benchmark's picture."""
        open_rows = np.flatnonzero(verdicts["reason"].isna())
        benchmarks = [fingerprints.read(self.recipe_dir / file) for file in self.config.files]
        named: list[dict[str, object]] = []
        for start in range(0, len(open_rows) if benchmarks else 0, PIECE_ROWS):
            piece = open_rows[start : start + PIECE_ROWS]
            own = self._prints(rows.iloc[piece])
            for benchmark in benchmarks:
                named += self._matched(verdicts, piece, own, benchmark)
        self._write(named)

    def _matched(
        self, verdicts: pd.DataFrame, piece: np.ndarray, own: Prints, benchmark: Prints
    ) -> list[dict[str, object]]:
        """A line for each of the rows `piece` that match; where asked for, they leave."""
        found = fingerprints.match(
            own, benchmark, max_distance=self.config.max_distance, min_sim=self.config.min_sim
        )
        hits = np.flatnonzero(found.row >= 0)
        if self.config.drop:
            self._leave(verdicts, piece[hits], found.distance[hits], benchmark.about.name)
        return [
            {
                "id": own.ids[hit],
                "benchmark": benchmark.about.name,
                "benchmark_id": benchmark.ids[int(found.row[hit])],
                "distance": float(found.distance[hit]),
                "sim": float(found.sim[hit]),
            }
            for hit in hits.tolist()
        ]

    def _leave(
        self, verdicts: pd.DataFrame, where: np.ndarray, distance: np.ndarray, name: str
    ) -> None:
        index = verdicts.index[where]
        first = verdicts.loc[index, "reason"].isna().to_numpy()  # of several benchmarks
        index, distance = index[first], distance[first]
        verdicts.loc[index, ["step", "reason", "detail"]] = ["leaks", "leak", name]
        verdicts.loc[index, "value"] = distance.astype(float)

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

    def _write(self, named: list[dict[str, object]]) -> None:
        """Every match, also of several benchmarks with one row."""
        types = [pa.string()] * 3 + [pa.float64()] * 2
        table = pa.Table.from_pylist(named, schema=pa.schema(list(zip(_COLUMNS, types))))
        write_part(table, self.build / "tables" / TABLE, fingerprint("leaks"))


def check_files(recipe_dir: Path, files: Sequence[str]) -> list[str]:
    """SHA-256 of every file of fingerprints; Emo8Error when one cannot be used."""
    digests = []
    for file in files:
        fingerprints.read(recipe_dir / file)
        digests.append(hashlib.sha256((recipe_dir / file).read_bytes()).hexdigest())
    return digests
