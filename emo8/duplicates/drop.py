"""Copies of a build leave: exact ones, then near ones, each naming the row that stays.

Clusters join exact and near copies. When a cluster joins rows that an earlier run put into
different splits, the rows on the train side leave with `split_bridge` before a survivor is chosen,
so that what was tested on stays in the test split.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from emo8.core.settings import DecideConfig
from emo8.dataset.splits import losing_rows
from emo8.duplicates import clusters, find
from emo8.duplicates.pairs import Pairs
from emo8.engine.files import fingerprint, write_part
from emo8.engine.row_index import first_occurrence
from emo8.measure.filters.copies import VIEWS_RECIPE

PAIRS = "copies.parquet"  # in tables/: every pair judged a copy or possibly one
DISPUTED = "disputed"  # the verdict on a copy that stays, in the split of the other


@dataclass(frozen=True, kw_only=True)
class DuplicateSearch:
    """What finding copies among the rows of a build needs."""

    config: DecideConfig
    pairs: Pairs  # of all its pictures, compared
    build: Path
    earlier: pa.Table  # what an earlier run placed (`emo8.splits`)

    def drop(self, verdicts: pd.DataFrame, rows: pd.DataFrame) -> None:
        """Fill cluster, survivor, step, reason, value and detail of rows that are copies."""
        open_rows = np.flatnonzero(verdicts["reason"].isna())
        if not len(open_rows):
            return
        every = np.arange(len(open_rows))
        facts = verdicts[["emotion_rule", "license"]].join(rows[["width", "height"]])
        rank = clusters.preference(facts.iloc[open_rows])
        exact = np.concatenate(
            [_chain_equal(rows[key].iloc[open_rows]) for key in ("id", "pixel_sha256")]
        )
        twin = clusters.survivors(len(open_rows), exact, rank)
        distinct = np.flatnonzero(twin == every)
        styles = verdicts["style"].iloc[open_rows[distinct]]
        told = self._near(rows, open_rows[distinct], styles.tolist())
        told = without_disputes(told, rows["emotion_source"].to_numpy()[open_rows[distinct]])
        near = distinct[_ends(told, "copy")]
        same = distinct[_ends(told, "copy", DISPUTED)]
        root = clusters.roots(len(open_rows), np.concatenate([exact, same]))
        loses = losing_rows(verdicts["id"].iloc[open_rows], root, self.earlier)
        stays = ~loses[near].any(axis=1) if len(near) else np.zeros(0, bool)
        keeper = clusters.survivors(len(open_rows), near[stays], rank)
        values = _least(told, distinct, len(open_rows))
        _leave(verdicts, open_rows, loses, "split_bridge", root)
        _leave(verdicts, open_rows, keeper != every, "duplicate_near", keeper, values)
        _leave(verdicts, open_rows, twin != every, "duplicate_exact", twin)
        survivor = np.where(loses, every, np.where(twin != every, twin, keeper))
        for column, named in (("cluster", root), ("survivor", survivor)):
            number = np.arange(len(verdicts))
            number[open_rows] = open_rows[named]
            verdicts[column] = verdicts["id"].array.take(number)
        self._write_pairs(told, verdicts["id"].iloc[open_rows[distinct]])

    def _near(
        self, rows: pd.DataFrame, distinct: np.ndarray, styles: list[str | None]
    ) -> pd.DataFrame:
        """Pairs of the `distinct` rows, by their number among these, that are copies or may be."""
        limits = find.limits_of(styles, self.config)
        found = self.pairs.compared(limits)
        first = first_occurrence(rows["pixel_sha256"])
        is_first = first == np.arange(len(rows))
        number = np.full(len(rows), -1)  # of the row that stands for each picture
        number[first[distinct]] = np.arange(len(distinct))
        number = number[is_first]
        ends = number[found[["left", "right"]].to_numpy(np.int64)].reshape(-1, 2)
        found[["left", "right"]] = np.sort(ends, axis=1)
        found = found[(ends >= 0).all(axis=1)].reset_index(drop=True)
        return find.judged(found, limits)

    def _write_pairs(self, told: pd.DataFrame, ids: pd.Series) -> None:
        left, right = (ids.iloc[told[side]].to_numpy(object) for side in ("left", "right"))
        named = told.drop(columns=["left", "right"]).assign(left_id=left, right_id=right)
        named = named.sort_values(["left_id", "right_id"])
        table = pa.Table.from_pandas(named, preserve_index=False)
        write_part(table, self.build / "tables" / PAIRS, fingerprint(VIEWS_RECIPE))


def without_disputes(told: pd.DataFrame, emotions: np.ndarray) -> pd.DataFrame:
    """The judged pairs, but DISPUTED the copies whose two sources name different emotions.

    Two faces of one drawing set can differ in nothing but the mouth: then the labels know more
    than the pixels, and both rows stay. They stay in one cluster, and so in one split: the same
    photograph under two labels must not be trained on and tested with.
    """
    left, right = (emotions[told[side].to_numpy(np.int64)] for side in ("left", "right"))
    differ = pd.notna(left) & pd.notna(right) & (left != right)
    verdict = told["verdict"].mask(differ & told["verdict"].eq("copy"), DISPUTED)
    return told.assign(verdict=verdict)


def _ends(told: pd.DataFrame, *verdicts: str) -> np.ndarray:
    """(P, 2) the two rows of every pair with one of these verdicts."""
    rows = told.loc[told["verdict"].isin(verdicts), ["left", "right"]]
    return rows.to_numpy(np.int64).reshape(-1, 2)


def _chain_equal(keys: pd.Series) -> np.ndarray:
    """(P, 2) pairs that join each later copy of a key to its first."""
    first = first_occurrence(keys)
    copies = np.flatnonzero((first != np.arange(len(keys))) & (first >= 0))
    return np.stack([first[copies], copies], axis=1)


def _least(told: pd.DataFrame, distinct: np.ndarray, num_rows: int) -> np.ndarray:
    """(N,) hash distance of each row to the nearest of its copies."""
    copies = told[told["verdict"] == "copy"]
    least = np.full(num_rows, np.inf)
    for side in ("left", "right"):
        np.minimum.at(least, distinct[copies[side].to_numpy(np.int64)], copies["distance"])
    return least


def _leave(
    verdicts: pd.DataFrame,
    open_rows: np.ndarray,
    leaves: np.ndarray,
    reason: str,
    keeper: np.ndarray,
    values: np.ndarray | None = None,
) -> None:
    """Give the open rows that leave their reason; `keeper` names the row that stays for each."""
    new = np.flatnonzero(leaves & verdicts["reason"].iloc[open_rows].isna().to_numpy())
    index = verdicts.index[open_rows[new]]
    verdicts.loc[index, "reason"] = reason
    verdicts.loc[index, "step"] = "splits" if reason == "split_bridge" else "duplicates"
    verdicts.loc[index, "detail"] = verdicts["id"].iloc[open_rows[keeper[new]]].to_numpy(object)
    if values is not None:
        verdicts.loc[index, "value"] = values[new]
