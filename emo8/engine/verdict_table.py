"""`tables/verdicts.parquet`: what became of every input of a build, and why.

It is made in three steps, all in the order of the rows. `facts`: what each row says of itself.
`changes`: what others mean for it (it is a leak, or one of several copies); few rows have any.
Then splits and places join them, and the table is written, a slab of rows at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.schema import DUPLICATE_OF
from emo8.engine.database import Database, parquet
from emo8.engine.files import read_columns
from emo8.engine.steps import ROWS, part_path

VERDICTS = Path("tables") / "verdicts.parquet"
SCHEMA = pa.schema(
    [
        ("part", pa.int32()),  # where its row lies
        ("row", pa.int32()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("source_path", pa.string()),
        ("source_url", pa.string()),
        ("license", pa.string()),
        ("split_source", pa.string()),
        ("style", pa.string()),
        ("style_rule", pa.string()),  # whose claim the style is
        ("emotion", pa.string()),
        ("emotion_rule", pa.string()),
        ("emotion_votes", pa.list_(pa.float64())),
        ("emotion_ticks", pa.list_(pa.float64())),
        ("vote_result", pa.string()),  # what people's votes came to
        ("num_votes", pa.int32()),
        ("valence", pa.float64()),  # mean ratings
        ("arousal", pa.float64()),
        ("dominance", pa.float64()),
        ("step", pa.string()),  # that took it out; null = kept
        ("reason", pa.string()),
        ("value", pa.float64()),  # the number behind the reason
        ("detail", pa.string()),
        ("cluster", pa.string()),  # the id of the first of its copies
        ("survivor", pa.string()),  # the id that stays in its place
        ("split", pa.string()),
        ("also_from", pa.list_(DUPLICATE_OF)),
        ("disputed", pa.bool_()),  # sources name several emotions for its copies and itself
        ("shard", pa.int32()),
        ("rank", pa.int64()),
    ]
)
# Columns whose values occur again and again.
REPEATING = [
    "part", "source", "source_url", "license", "split_source", "style", "style_rule", "emotion",
    "emotion_rule", "step", "reason", "split", "shard",
]  # fmt: skip
# What a row says of itself, before it is compared with others: a verdict, and what comparing reads.
FACTS = pa.schema(
    [
        ("n", pa.int64()),  # its number among all rows
        *list(SCHEMA)[: SCHEMA.names.index("cluster")],
        ("emotion_source", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("sharpness", pa.float32()),
        ("pixel_sha256", pa.string()),
        ("draw", pa.float64()),  # the number by which it falls into a split, if it is alone
    ]
)
_CHANGES = """
    n BIGINT, step VARCHAR, reason VARCHAR, value DOUBLE, detail VARCHAR,
    cluster VARCHAR, survivor VARCHAR
"""


def start(db: Database) -> None:
    """No facts yet, and no changes."""
    pq.write_table(FACTS.empty_table(), db.folder / "facts-none.parquet")
    db.run(f"CREATE TABLE changes ({_CHANGES})")
    _see(db)


def add_facts(db: Database, rows: str, first: int) -> None:
    """Add rows (SQL with the columns `FACTS`, all from number `first` on) to the view `facts`."""
    path = db.folder / f"facts-{first:012d}.parquet"
    columns = ", ".join(FACTS.names)
    db.run(f"COPY (SELECT {columns} FROM ({rows})) TO '{path}' (COMPRESSION snappy)")
    _see(db)


@dataclass(frozen=True, kw_only=True)
class FailedPart:
    """A part that failed, whose inputs are counted and named."""

    part: int
    step: str
    source: str
    num_inputs: int


def add_failed(db: Database, failed: Sequence[FailedPart], first: int) -> int:
    """Add the inputs of these parts to `facts`, from number `first` on; how many rows there are."""
    names = ["id", "source", "source_path", "source_url", "license", "split_source"]
    for item in failed:
        if item.step == ROWS:
            rows = pa.table({"source": pa.array([item.source] * item.num_inputs, pa.string())})
        else:
            rows = read_columns(part_path(db.build, ROWS, item.part), names)
        number = np.arange(len(rows))
        told = dict(zip(rows.column_names, rows.columns))
        told |= {"n": first + number, "row": number, "part": np.full(len(rows), item.part)}
        told |= {"step": [item.step] * len(rows), "reason": ["part_failed"] * len(rows)}
        lacking = {f.name: pa.nulls(len(rows), f.type) for f in FACTS if f.name not in told}
        table = pa.table({**told, **lacking})
        db.keep("failed", table.select(FACTS.names).cast(FACTS))
        add_facts(db, "FROM failed", first)
        first += len(rows)
    return first


def _see(db: Database) -> None:
    """`facts`; `decided(first, last)`: the verdicts on some rows with what others mean for them."""
    files = parquet(sorted(db.folder.glob("facts-*.parquet")))
    db.run(f"CREATE OR REPLACE VIEW facts AS SELECT * FROM {files}")
    db.run("""
        CREATE OR REPLACE MACRO decided(first, last) AS TABLE
        SELECT facts.* REPLACE (
                coalesce(changes.step, facts.step) AS step,
                coalesce(changes.reason, facts.reason) AS reason,
                coalesce(changes.value, facts.value) AS value,
                coalesce(changes.detail, facts.detail) AS detail),
            coalesce(cluster, id) AS cluster, coalesce(survivor, id) AS survivor
        FROM (FROM facts WHERE n >= first AND n < last) AS facts
        LEFT JOIN (FROM changes WHERE n >= first AND n < last) AS changes USING (n)
    """)


def provenance(db: Database) -> None:
    """Make `origins`, of rows that stay the sources and claims of copies that left for them, and
    `disputed`, the rows of clusters of copies for which sources name several emotions."""
    db.run("""
        CREATE TABLE origins AS
        SELECT survivors.n, list({
                'source': source, 'source_url': source_url, 'emotion': emotion_source
            } ORDER BY copies.n) AS also_from
        FROM changes AS copies
        JOIN facts USING (n)
        JOIN (SELECT n, survivor FROM changes WHERE reason IS NULL) AS survivors USING (survivor)
        WHERE copies.reason IN ('duplicate_exact', 'duplicate_near')
        GROUP BY survivors.n ORDER BY survivors.n
    """)
    db.run("""
        CREATE TABLE disputed AS
        WITH copies AS (
            SELECT n, changes.cluster, lower(trim(emotion_source)) AS claim
            FROM changes JOIN facts USING (n)
            WHERE changes.cluster IS NOT NULL
        )
        SELECT n FROM copies SEMI JOIN (
            SELECT cluster FROM copies GROUP BY cluster HAVING count(DISTINCT claim) > 1
        ) USING (cluster)
        ORDER BY n
    """)
