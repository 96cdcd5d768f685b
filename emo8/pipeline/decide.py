"""Decide: numbers become verdicts with the thresholds of the recipe, claims become final labels.

The order is fixed, and the first reason wins: what did not arrive, what did not decode, the
checks of the filters, leaks, exact copies, near copies.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from emo8.core.settings import DecideConfig
from emo8.dataset.removal import Removal, removed_rows
from emo8.duplicates.drop import DuplicateSearch
from emo8.duplicates.leaks import Leaks
from emo8.review import final_labels
from emo8.review.final_labels import FinalLabels
from emo8.tables import thresholds
from emo8.tables.rows import as_frame

# Of the narrow table, what nobody decides by.
UNREAD = ("emotion_raw_prob", "emotion_agreement", "emotion_margin", "emotion_entropy")
_FOR_COPIES = ("part", "row", "id", "emotion_source", "width", "height", "pixel_sha256")
COLUMNS = ("step", "reason", "value", "detail", "cluster", "survivor", *final_labels.COLUMNS)


@dataclass(frozen=True, kw_only=True)
class Decider:
    """Thresholds, and who finds leaks and copies among the rows that pass them."""

    config: DecideConfig
    leaks: Leaks
    copies: DuplicateSearch
    removals: list[Removal]  # what people asked to have taken out
    claims: FinalLabels  # how claims become final labels

    def run(self, narrow: pa.Table) -> pd.DataFrame:
        """One verdict per row: part, row, id, claims, step, reason, value,
        detail, cluster, survivor."""
        asked, bits = removed_rows(narrow, self.removals)
        rows = as_frame(narrow.drop_columns("phash"))
        del narrow
        verdicts = rows[
            ["part", "row", "id", "source", "source_path", "source_url", "license", "split_source"]
        ]
        labels = self.claims.final_labels(rows)
        verdicts = verdicts.join(labels[list(final_labels.COLUMNS)])
        for column, dtype in (("step", object), ("reason", object), ("value", float)):
            verdicts[column] = pd.Series(None, index=rows.index, dtype=dtype)
        verdicts["detail"] = rows["ingest_detail"]
        verdicts["cluster"] = rows["id"]
        verdicts["survivor"] = rows["id"]
        _reject(verdicts, rows["ingest_reason"], "ingest", rows["ingest_value"])
        _reject(verdicts, rows["decode_reason"], "measure", rows["decode_value"])
        _reject(verdicts, asked, "removal", bits)
        reason, value = thresholds.failures(self.config, verdicts["style"], rows)
        _reject(verdicts, reason, "decide", value)
        self._apply_review(verdicts, labels["review_rejected"], labels["review_reason"])
        rows = rows[[*_FOR_COPIES]]
        self.leaks.reject(verdicts, rows)
        self.copies.drop(verdicts, rows)
        return verdicts

    def _apply_review(self, verdicts: pd.DataFrame, rejected: pd.Series, why: pd.Series) -> None:
        """Rows that too many of their annotators want out, and their reason as `detail`."""
        reason = pd.Series(None, index=rejected.index, dtype=object)
        reason[rejected > self.claims.votes.max_reject_share] = "rejected_by_review"
        _reject(verdicts, reason, "review", rejected)
        left = verdicts["reason"].eq("rejected_by_review")
        verdicts.loc[left, "detail"] = why[left]


def _reject(verdicts: pd.DataFrame, reason: pd.Series, step: str, value: pd.Series) -> None:
    """Give a reason to the rows that have none yet."""
    new = verdicts["reason"].isna() & reason.notna()
    verdicts.loc[new, "reason"] = reason[new]
    verdicts.loc[new, "step"] = step
    verdicts.loc[new, "value"] = value[new].astype(float)
