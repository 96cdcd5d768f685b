"""Decide: numbers become verdicts with the thresholds of the recipe, claims become final labels.

The order is fixed, and the first reason wins: what did not arrive, what did not decode, the
checks of the filters, leaks, exact copies, near copies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from emo8 import checks
from emo8.config import DecideConfig
from emo8.copies.drop import Copies
from emo8.leaks import Leaks
from emo8.removal import Removal, removed_rows
from emo8.taxonomy import EMOTIONS, STYLES, parse_emotion, parse_style


@dataclass(frozen=True, kw_only=True)
class Decider:
    """Thresholds, and who finds leaks and copies among the rows that pass them."""

    config: DecideConfig
    leaks: Leaks
    copies: Copies
    removals: list[Removal]  # what people asked to have taken out

    def run(self, narrow: pa.Table) -> pd.DataFrame:
        """One verdict per row: part, row, id, claims, step, reason, value,
        detail, cluster, survivor."""
        # hashes stay integers beside rows without one; as floats they would lose their last bits
        rows = narrow.to_pandas(types_mapper={pa.uint64(): pd.UInt64Dtype()}.get)
        verdicts = rows[
            ["part", "row", "id", "source", "source_path", "source_url", "license", "split_source"]
        ].copy()
        verdicts["style"], verdicts["style_rule"] = final_claims(
            rows["style_source"], rows["style_prob"], STYLES, parse_style
        )
        verdicts["emotion"], verdicts["emotion_rule"] = final_claims(
            rows["emotion_source"], rows["emotion_prob"], EMOTIONS, parse_emotion
        )
        for column, dtype in (
            ("step", object),
            ("reason", object),
            ("value", float),
            ("detail", object),
        ):
            verdicts[column] = pd.Series(None, index=rows.index, dtype=dtype)
        verdicts["cluster"] = rows["id"]
        verdicts["survivor"] = rows["id"]
        _reject(verdicts, rows["ingest_reason"], "ingest", rows["ingest_value"])
        _reject(verdicts, rows["decode_reason"], "measure", rows["decode_value"])
        asked, bits = removed_rows(narrow, self.removals)
        _reject(verdicts, asked, "removal", bits)
        reason, value = checks.failures(self.config, verdicts["style"], rows)
        _reject(verdicts, reason, "decide", value)
        self.leaks.reject(verdicts, rows)
        self.copies.drop(verdicts, rows)
        return verdicts


def final_claims(
    source: pd.Series, prob: pd.Series, names: tuple[str, ...], parse: Callable[[str], str]
) -> tuple[pd.Series, pd.Series]:
    """Final names and who made them: the source where its claim is one of `names`, else CLIP."""
    known = {}
    for text in source.dropna().unique():
        try:
            known[text] = parse(text)
        except ValueError:  # another vocabulary: kept verbatim in the claim's own column
            continue
    claimed = source.map(known)
    believed = prob.map(lambda row: names[int(np.argmax(row))] if row is not None else None)
    rule = pd.Series(np.where(claimed.notna(), "source", "clip"), index=source.index)
    final = claimed.astype(object).where(claimed.notna(), believed)
    return final, rule.where(final.notna(), None)


def _reject(verdicts: pd.DataFrame, reason: pd.Series, step: str, value: pd.Series) -> None:
    """Give a reason to the rows that have none yet."""
    new = verdicts["reason"].isna() & reason.notna()
    verdicts.loc[new, "reason"] = reason[new]
    verdicts.loc[new, "step"] = step
    verdicts.loc[new, "value"] = value[new].astype(float)
