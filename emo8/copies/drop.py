"""Copies of a build leave: exact ones, then near ones, each naming the row that stays.

Clusters join exact and near copies. When a cluster joins rows that an earlier run put into
different splits, the rows on the train side leave with `split_bridge` before a survivor is chosen,
so that what was tested on stays in the test split.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.config import DecideConfig
from emo8.copies import clusters, find
from emo8.copies.compare import compare_all
from emo8.copies.verify import VERSION as COMPARE_VERSION
from emo8.copies.views import COLUMNS, Views, views_of
from emo8.engines import Engine
from emo8.filters.base import PHASH_RECIPE
from emo8.filters.copies import VIEWS_RECIPE
from emo8.labels import Model, embeddings
from emo8.parts import fingerprint, read_columns, read_fingerprint, write_part
from emo8.splits import losing_rows
from emo8.steps import part_path

PAIRS = "copies.parquet"  # in tables/: every pair judged a copy or possibly one
_COMPARED = "compared.parquet"  # in tables/: numbers of every pair compared so far


@dataclass(frozen=True, kw_only=True)
class Copies:
    """What finding copies in a build needs, and where it remembers the pairs it compared."""

    config: DecideConfig
    build: Path
    model: Model  # its embeddings are the second witness
    earlier: Mapping[str, str]  # id -> split of an earlier run
    engine: Engine  # its workers compare the pairs

    def drop(self, verdicts: pd.DataFrame, rows: pd.DataFrame) -> None:
        """Fill cluster, survivor, step, reason, value and detail of rows that are copies."""
        open_rows = np.flatnonzero(verdicts["reason"].isna())
        if not len(open_rows):
            return
        own = verdicts.iloc[open_rows].reset_index(drop=True)
        own[["width", "height", "pixel_sha256"]] = rows.iloc[open_rows][
            ["width", "height", "pixel_sha256"]
        ].to_numpy()
        rank = clusters.preference(own)
        exact = np.concatenate(
            [_chain_equal(own[key].to_numpy()) for key in ("id", "pixel_sha256")]
        )
        twin = clusters.survivors(len(own), exact, rank)
        distinct = np.flatnonzero(twin == np.arange(len(own)))
        told = self._near(own.iloc[distinct], rows.iloc[open_rows[distinct]])
        told = without_disputes(told, rows["emotion_source"].to_numpy()[open_rows[distinct]])
        near = distinct[told.loc[told["verdict"] == "copy", ["left", "right"]].to_numpy(np.int64)]
        root = clusters.roots(len(own), np.concatenate([exact, near.reshape(-1, 2)]))
        loses = losing_rows(own["id"], root, self.earlier)
        stays = ~loses[near].any(axis=1) if len(near) else np.zeros(0, bool)
        keeper = clusters.survivors(len(own), near[stays], rank)
        values = _least(told, distinct, len(own))
        ids = own["id"].to_numpy()
        own["cluster"] = ids[root]
        _leave(own, loses, "split_bridge", "splits", None, root)
        _leave(own, keeper != np.arange(len(own)), "duplicate_near", "duplicates", values, keeper)
        _leave(own, twin != np.arange(len(own)), "duplicate_exact", "duplicates", None, twin)
        columns = ["cluster", "survivor", "step", "reason", "value", "detail"]
        verdicts.loc[verdicts.index[open_rows], columns] = own[columns].to_numpy()
        self._write_pairs(told, ids[distinct])

    def _near(self, verdicts: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
        """Pairs of these rows that are copies or possibly copies."""
        with tempfile.TemporaryDirectory(dir=self.build / "tables", prefix=".views-") as name:
            views = read_views(self.build, rows, self.model, Path(name))
            pairs = find.candidates(views, self.config)
            found = self._measured(views, pairs, verdicts["id"].to_numpy(), Path(name))
        return find.judged(found, find.limits_of(verdicts["style"].tolist(), self.config))

    def _measured(
        self, views: Views, pairs: np.ndarray, ids: np.ndarray, folder: Path
    ) -> pd.DataFrame:
        """The numbers of all pairs; those compared by an earlier run are looked up."""
        path = self.build / "tables" / _COMPARED
        mark = fingerprint(
            COMPARE_VERSION,
            PHASH_RECIPE,
            VIEWS_RECIPE,
            self.model.weights_sha256,
            self.config.min_crop_sim,
        )
        asked = pd.DataFrame({"left": pairs[:, 0], "right": pairs[:, 1]})
        asked["left_id"], asked["right_id"] = ids[pairs[:, 0]], ids[pairs[:, 1]]
        if read_fingerprint(path) == mark:
            known = pq.read_table(path).to_pandas()
            joined = asked.merge(known, on=["left_id", "right_id"], how="left")
        else:
            joined = asked.assign(**dict.fromkeys(find.NUMBERS, np.nan))
        new = joined["distance"].isna().to_numpy()
        if new.any():
            fresh = compare_all(views, pairs[new], self.config.min_crop_sim, folder, self.engine)
            for name in find.NUMBERS:
                column = joined[name].astype(float)
                column[new] = fresh[name].to_numpy(float)
                joined[name] = column
            stored = joined[["left_id", "right_id", *find.NUMBERS]]
            write_part(pa.Table.from_pandas(stored, preserve_index=False), path, mark)
        joined["mirrored"] = joined["mirrored"] > 0
        return joined[["left", "right", *find.NUMBERS]]

    def _write_pairs(self, told: pd.DataFrame, ids: np.ndarray) -> None:
        named = told.assign(left_id=ids[told["left"]], right_id=ids[told["right"]])
        named = named.drop(columns=["left", "right"]).sort_values(["left_id", "right_id"])
        table = pa.Table.from_pandas(named, preserve_index=False)
        write_part(table, self.build / "tables" / PAIRS, fingerprint(VIEWS_RECIPE))


def without_disputes(told: pd.DataFrame, emotions: np.ndarray) -> pd.DataFrame:
    """The judged pairs, but none a copy whose two sources name different emotions.

    Two faces of one drawing set can differ in nothing but the mouth: then the labels know more
    than the pixels. Such a pair is shown as possible, and both rows stay.
    """
    left, right = (emotions[told[side].to_numpy(np.int64)] for side in ("left", "right"))
    differ = pd.notna(left) & pd.notna(right) & (left != right)
    verdict = told["verdict"].mask(differ, "possible")
    return told.assign(verdict=verdict)


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


def _chain_equal(keys: np.ndarray) -> np.ndarray:
    """(P, 2) pairs that join each later copy of a key to its first."""
    codes, _ = pd.factorize(keys)
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    copies = np.flatnonzero((first[inverse] != np.arange(len(keys))) & (codes >= 0))
    return np.stack([first[inverse[copies]], copies], axis=1)


def _least(told: pd.DataFrame, distinct: np.ndarray, num_rows: int) -> np.ndarray:
    """(N,) hash distance of each row to the nearest of its copies."""
    copies = told[told["verdict"] == "copy"]
    least = np.full(num_rows, np.inf)
    for side in ("left", "right"):
        np.minimum.at(least, distinct[copies[side].to_numpy(np.int64)], copies["distance"])
    return least


def _leave(
    own: pd.DataFrame,
    leaves: np.ndarray,
    reason: str,
    step: str,
    values: np.ndarray | None,
    keeper: np.ndarray,
) -> None:
    """Give the rows that leave their reason; `keeper` names the row that stays for each."""
    new = leaves & own["reason"].isna().to_numpy()
    if not new.any():
        return
    ids = own["id"].to_numpy()
    own.loc[new, ["reason", "step"]] = [reason, step]
    own.loc[new, "detail"] = ids[keeper[new]]
    if reason != "split_bridge":
        own.loc[new, "survivor"] = ids[keeper[new]]
    if values is not None:
        own.loc[new, "value"] = values[new]
