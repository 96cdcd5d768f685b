"""Decide: numbers become verdicts with the thresholds of the recipe, claims become final labels.

The order is fixed, and the first reason wins: what did not arrive, what did not decode, removals,
the checks of the filters, reviews; then leaks, exact copies, near copies (`emo8.duplicates`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emo8.core.settings import DecideConfig
from emo8.dataset.removal import Removal, removed_rows
from emo8.dataset.splits import uniform
from emo8.engine.database import Database, parquet
from emo8.engine.steps import ROWS, part_path
from emo8.engine.verdict_table import add_facts
from emo8.review.final_labels import FinalLabels
from emo8.tables import thresholds
from emo8.tables.rows import Slab, inputs

_FOR_REMOVAL = ("id", "pixel_sha256", "source_url", "source_path", "phash")


@dataclass(frozen=True, kw_only=True)
class Decider:
    """What the verdict on a row depends on besides its numbers."""

    config: DecideConfig
    removals: list[Removal]  # what people asked to have taken out
    claims: FinalLabels  # how claims become final labels
    seed: int  # of the splits

    def run(self, db: Database, slabs: Sequence[Slab]) -> None:
        """Fill the table `facts`: every row, its final labels, and the first reason against it."""
        parts = [part for slab in slabs for part in slab.parts]
        rows = parquet([part_path(db.build, ROWS, part) for part in parts])
        self.claims.prepare(db, rows)
        db.keep("allowed", thresholds.limits(self.config))
        removed = removed_rows(
            lambda: (
                piece
                for slab in slabs
                for piece in db.batches(f"SELECT * FROM {inputs(db.build, slab, _FOR_REMOVAL)}")
            ),
            self.removals,
        )
        db.keep("removed", removed)
        for slab in slabs:
            add_facts(db, self.judged(inputs(db.build, slab)), slab.start)

    def judged(self, rows: str) -> str:
        """SQL: `rows` with their final labels, `step`, `reason`, `value` and `detail`."""
        return f"""
            SELECT * EXCLUDE (verdict), verdict.step, verdict.reason, verdict.value,
                CASE WHEN verdict.reason = 'rejected_by_review' THEN review_reason
                    ELSE ingest_detail END AS detail, {uniform("id", self.seed)} AS draw
            FROM (
                SELECT rows.*, CASE
                    WHEN ingest_reason IS NOT NULL THEN
                        {{'step': 'ingest', 'reason': ingest_reason, 'value': ingest_value}}
                    WHEN decode_reason IS NOT NULL THEN
                        {{'step': 'measure', 'reason': decode_reason, 'value': decode_value}}
                    WHEN removed.n IS NOT NULL THEN
                        {{'step': 'removal', 'reason': 'removed', 'value': removed.bits}}
                    {" ".join(thresholds.cases())}
                    WHEN review_rejected > {self.claims.votes.max_reject_share} THEN {{'step':
                        'review', 'reason': 'rejected_by_review', 'value': review_rejected}}
                END AS verdict
                FROM {self.claims.labelled(rows)} AS rows
                LEFT JOIN removed USING (n)
                LEFT JOIN allowed ON coalesce(rows.style, '') = allowed.style
            )"""
