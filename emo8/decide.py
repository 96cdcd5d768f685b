"""Decide: numbers become verdicts with the thresholds of the recipe, claims become final labels.

The order is fixed, and the first reason wins: what did not arrive, what did not decode, the
checks of the filters, exact copies, near copies. Which of several copies stays: the one with a
source's emotion, then with a licence, then with most pixels, then the oldest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from emo8 import checks, claims, duplicates
from emo8.claims import Claims
from emo8.config import DecideConfig
from emo8.labels import Model, embeddings
from emo8.parts import read_columns
from emo8.steps import part_path


@dataclass(frozen=True, kw_only=True)
class Decider:
    """Thresholds, and where the second witness of near copies is stored."""

    config: DecideConfig
    build: Path
    model: Model  # its embeddings confirm near copies
    claims: Claims  # how claims become final labels

    def run(self, narrow: pa.Table) -> pd.DataFrame:
        """One verdict per row: part, row, id, claims, step, reason, value, cluster, survivor."""
        rows = narrow.to_pandas()
        verdicts = rows[
            ["part", "row", "id", "source", "source_path", "source_url", "license", "split_source"]
        ].copy()
        labels = self.claims.final_labels(rows)
        verdicts[list(claims.COLUMNS)] = labels[list(claims.COLUMNS)]
        for column, dtype in (("step", object), ("reason", object), ("value", float)):
            verdicts[column] = pd.Series(None, index=rows.index, dtype=dtype)
        verdicts["cluster"] = rows["id"]
        verdicts["survivor"] = rows["id"]
        _reject(verdicts, rows["ingest_reason"], "ingest", rows["ingest_value"])
        _reject(verdicts, rows["decode_reason"], "measure", rows["decode_value"])
        reason, value = checks.failures(self.config, verdicts["style"], rows)
        _reject(verdicts, reason, "decide", value)
        self._apply_review(verdicts, labels["review_rejected"])
        self._drop_exact_copies(verdicts, rows)
        self._drop_near_copies(verdicts, rows)
        return verdicts

    def _apply_review(self, verdicts: pd.DataFrame, rejected: pd.Series) -> None:
        """Rows that too many of their annotators want out."""
        reason = pd.Series(None, index=rejected.index, dtype=object)
        reason[rejected > self.claims.votes.max_reject_share] = "rejected_by_review"
        _reject(verdicts, reason, "review", rejected)

    def _drop_exact_copies(self, verdicts: pd.DataFrame, rows: pd.DataFrame) -> None:
        """Same bytes or same pixels: the same picture."""
        open_rows = np.flatnonzero(verdicts["reason"].isna())
        pairs = [_chain_equal(rows[key].to_numpy()[open_rows]) for key in ("id", "pixel_sha256")]
        _drop_copies(verdicts, rows, open_rows, np.concatenate(pairs), "duplicate_exact", None)

    def _drop_near_copies(self, verdicts: pd.DataFrame, rows: pd.DataFrame) -> None:
        open_rows = np.flatnonzero(verdicts["reason"].isna())
        phash = rows["phash"].to_numpy()[open_rows].astype(np.uint64)
        pairs = duplicates.near_pairs(phash, int(self.config.max_near_distance))
        vectors = self._embeddings(rows.iloc[open_rows])
        pairs = pairs[duplicates.agree(vectors, pairs, self.config.min_near_sim)]
        distance = duplicates.hash_distance(phash, pairs)
        _drop_copies(verdicts, rows, open_rows, pairs, "duplicate_near", distance)

    def _embeddings(self, rows: pd.DataFrame) -> np.ndarray:
        """(N, D) embeddings of these rows, read part by part."""
        out = np.zeros((len(rows), self.model.dim), np.float32)
        part_of = rows["part"].to_numpy()
        for part in np.unique(part_of).tolist():
            where = np.flatnonzero(part_of == part)
            path = part_path(self.build, self.model.table, part)
            column = read_columns(path, ["embedding"]).column("embedding")
            out[where] = embeddings(column, self.model.dim)[rows["row"].to_numpy()[where]]
        return out


def _reject(verdicts: pd.DataFrame, reason: pd.Series, step: str, value: pd.Series) -> None:
    """Give a reason to the rows that have none yet."""
    new = verdicts["reason"].isna() & reason.notna()
    verdicts.loc[new, "reason"] = reason[new]
    verdicts.loc[new, "step"] = step
    verdicts.loc[new, "value"] = value[new].astype(float)


def _chain_equal(keys: np.ndarray) -> np.ndarray:
    """(P, 2) pairs that join each later copy of a key to its first."""
    codes, _ = pd.factorize(keys)
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    copies = np.flatnonzero(first[inverse] != np.arange(len(keys)))
    return np.stack([first[inverse[copies]], copies], axis=1)


def _drop_copies(
    verdicts: pd.DataFrame,
    rows: pd.DataFrame,
    open_rows: np.ndarray,
    pairs: np.ndarray,
    reason: str,
    distance: np.ndarray | None,
) -> None:
    """Keep the best row of every cluster; the others name it as their survivor."""
    if not len(pairs):
        return
    root = duplicates.clusters(len(open_rows), pairs)
    members = rows.iloc[open_rows].assign(root=root, age=np.arange(len(open_rows)))
    members["claimed"] = members["emotion_source"].notna()
    members["licensed"] = members["license"].notna()
    members["pixels"] = members["width"].astype(float) * members["height"].astype(float)
    best = members.sort_values(
        ["root", "claimed", "licensed", "pixels", "age"],
        ascending=[True, False, False, False, True],
    ).drop_duplicates("root")
    survivor = pd.Series(best["age"].to_numpy(), index=best["root"].to_numpy())
    keeper = survivor.loc[root].to_numpy()
    ids = rows["id"].to_numpy()[open_rows]
    index = verdicts.index.to_numpy()[open_rows]
    previous = verdicts["cluster"].to_numpy()[open_rows]
    verdicts.loc[index, "cluster"] = previous[root]
    leaves = keeper != np.arange(len(open_rows))
    verdicts.loc[index[leaves], "survivor"] = ids[keeper[leaves]]
    verdicts.loc[index[leaves], "reason"] = reason
    verdicts.loc[index[leaves], "step"] = "duplicates"
    if distance is not None:
        nearest = pd.Series(np.inf, index=range(len(open_rows)))
        for side in (0, 1):
            least = pd.Series(distance).groupby(pairs[:, side]).min()
            nearest.loc[least.index] = np.minimum(nearest.loc[least.index], least)
        verdicts.loc[index[leaves], "value"] = nearest.to_numpy()[leaves]
