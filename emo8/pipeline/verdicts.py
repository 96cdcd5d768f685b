"""From the parts of all rows to the verdicts on them: what follows when every part is done.

Each step makes tables of the run's database that the next one reads, in bounded memory: `facts`
(decide), `earlier`, `placed` (splits), `leaked` (leaks), `kin`, `changes` (duplicates), `drawn`
(splits), `ordered` (order of rows). Then `tables/verdicts.parquet` is written, a slab at a time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emo8.core.settings import Recipe
from emo8.core.taxonomy import SPLITS
from emo8.dataset import row_order, splits
from emo8.duplicates.drop import DuplicateSearch
from emo8.duplicates.leaks import Leaks
from emo8.engine import verdict_table
from emo8.engine.database import Database, parquet, values
from emo8.engine.files import part_writer, write_text
from emo8.engine.verdict_table import VERDICTS, FailedPart
from emo8.pipeline.decide import Decider
from emo8.tables.rows import SLAB_ROWS, slabs


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What the verdicts depend on besides the rows."""

    recipe: Recipe
    recipe_dir: Path
    decider: Decider
    leaks: Leaks
    copies: DuplicateSearch
    shard_of: Sequence[int]  # the shard of every part, as far as nobody has published its rows

    def write(
        self, db: Database, parts: Sequence[int], failed: Sequence[FailedPart], fingerprint: str
    ) -> None:
        """Write `tables/verdicts.parquet`, `tables/splits.parquet` and `report/splits.json`."""
        config, seed, whole = self.recipe.splits, self.recipe.seed, slabs(db, parts)
        verdict_table.start(db)
        if whole:
            self.decider.run(db, whole)
        num_rows = verdict_table.add_failed(db, failed, whole[-1].stop if whole else 0)
        splits.read_earlier(db, self.recipe_dir, config, seed)
        self.leaks.find(db, whole)
        self.copies.drop(db)
        splits.draw(db, num_rows, config, seed)
        row_order.published(db, self.recipe_dir, config.keep)
        shard_rows = row_order.SHARD_PARTS * self.recipe.ingest.part_rows
        row_order.assign(db, num_rows, shard_rows, self.shard_of)
        verdict_table.provenance(db)
        splits.to_remember(db)
        tables = db.build / "tables"
        mark = splits.mark(config, seed)
        with (
            part_writer(
                verdict_table.SCHEMA,
                db.build / VERDICTS,
                fingerprint,
                use_dictionary=verdict_table.REPEATING,
            ) as verdicts,
            part_writer(
                splits.PLACED, tables / splits.TABLE, mark, use_dictionary=["split"]
            ) as placed,
        ):
            for first in range(0, num_rows, SLAB_ROWS):
                rows = db.arrow(_ROWS.format(first=first, last=first + SLAB_ROWS))
                if (np.diff(rows["n"].to_numpy()) < 0).any():  # joins mostly keep the order
                    rows = rows.sort_by("n")
                verdicts.write_table(rows.select(verdict_table.SCHEMA.names).cast(verdicts.schema))
                stays = rows.filter(rows["remembered"]).select(splits.PLACED.names)
                placed.write_table(stays.cast(placed.schema))
            for rows in db.batches("FROM gone"):
                placed.write_table(rows.cast(placed.schema))
        summary = splits.summary(db, parquet(db.build / VERDICTS), config)
        write_text(db.build / "report" / "splits.json", json.dumps(summary, indent=2) + "\n")


_ROWS = f"""
    SELECT * REPLACE (coalesce(also_from, []) AS also_from),
        {values(SPLITS)}[{splits.FINAL} + 1] AS split,
        disputed.n IS NOT NULL AS disputed,
        id IS NOT NULL AND again.n IS NULL AND (reason IS NULL
            OR reason IN ('duplicate_exact', 'duplicate_near', 'split_bridge')) AS remembered
    FROM ordered({{first}}, {{last}})
    LEFT JOIN (FROM origins WHERE n >= {{first}} AND n < {{last}}) USING (n)
    LEFT JOIN again USING (n)
    LEFT JOIN (FROM disputed WHERE n >= {{first}} AND n < {{last}}) AS disputed USING (n)
"""
