"""Copies of a build leave: exact ones, then near ones, each naming the row that stays.

Clusters join exact and near copies. When a cluster joins rows that an earlier run put into
different splits, the rows on the train side leave with `split_bridge` before a survivor is chosen,
so that what was tested on stays in the test split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from emo8.config import DecideConfig
from emo8.copies import clusters, find
from emo8.copies.pairs import Pairs
from emo8.filters.copies import VIEWS_RECIPE
from emo8.parts import fingerprint, write_part
from emo8.splits import losing_rows

PAIRS = "copies.parquet"  # in tables/: every pair judged a copy or possibly one


@dataclass(frozen=True, kw_only=True)
class Copies:
    """What finding copies among the rows of a build needs."""

    config: DecideConfig
    pairs: Pairs  # of all its pictures, with their numbers
    build: Path
    earlier: Mapping[str, str]  # id -> split of an earlier run

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
        told = self._near(rows, open_rows[distinct], own["style"].iloc[distinct].tolist())
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

    def _near(
        self, rows: pd.DataFrame, distinct: np.ndarray, styles: list[str | None]
    ) -> pd.DataFrame:
        """Pairs of the `distinct` rows, by their number among these, that are copies or may be."""
        codes, pictures = pd.factorize(rows["pixel_sha256"])
        number = np.full(len(pictures), -1)  # of the row that stands for each picture
        number[codes[distinct]] = np.arange(len(distinct))
        found = self.pairs.compared(rows)
        ends = number[found[["left", "right"]].to_numpy(np.int64)].reshape(-1, 2)
        found[["left", "right"]] = np.sort(ends, axis=1)
        found = found[(ends >= 0).all(axis=1)].reset_index(drop=True)
        return find.judged(found, find.limits_of(styles, self.config))

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
