"""Rows for tests of what happens to all of them: facts and copies in, verdicts with splits out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from emo8.core.settings import DecideConfig, SplitsConfig
from emo8.core.taxonomy import SPLITS
from emo8.dataset import splits
from emo8.duplicates.drop import DuplicateSearch
from emo8.duplicates.find import NUMBERS
from emo8.engine import verdict_table
from emo8.engine.database import Database, opened

_COPY = {"distance": 1, "sim": 1.0, "residual": 0.0, "crop_residual": 99.0, "colour": 0.0}


def decide(db: Database, rows: pd.DataFrame, seed: int = 0) -> None:
    """Make the tables of a run up to `leaked`: `rows` has `id`, and columns of `FACTS`."""
    columns = {name: rows[name] for name in rows if name in verdict_table.FACTS.names}
    columns |= {"n": range(len(rows)), "pixel_sha256": rows.get("pixel_sha256", rows["id"])}
    table = pa.table(
        [
            pa.array(columns[field.name], field.type, from_pandas=True)
            if field.name in columns
            else pa.nulls(len(rows), field.type)
            for field in verdict_table.FACTS
        ],
        schema=verdict_table.FACTS,
    )
    verdict_table.start(db)
    db.keep("given_rows", table)
    draw = splits.uniform("id", seed)
    verdict_table.add_facts(db, f"SELECT * REPLACE ({draw} AS draw) FROM given_rows", 0)
    db.run("""
        CREATE TABLE leaked (n BIGINT, step VARCHAR, reason VARCHAR, value DOUBLE, detail VARCHAR)
    """)


def near(pairs: list[tuple[int, int]]) -> str:
    """SQL of these pairs of rows as sure copies."""
    numbers = {**_COPY, "mirrored": False}
    told = ", ".join(f"{numbers[name]}::{_type(name)} AS {name}" for name in NUMBERS)
    lines = [f'SELECT {min(pair)} AS "left", {max(pair)} AS "right", {told}' for pair in pairs]
    return " UNION ALL ".join(lines) or f'SELECT 0 AS "left", 0 AS "right", {told} WHERE FALSE'


def _type(name: str) -> str:
    return "BOOLEAN" if name == "mirrored" else "FLOAT"


def splits_of(
    build: Path,
    rows: pd.DataFrame,
    *,
    pairs: list[tuple[int, int]] | None = None,
    config: SplitsConfig | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """`rows` with `reason`, `cluster`, `split` after all steps; their splits are remembered."""
    config = config or SplitsConfig()
    with opened(build, 200_000_000, workers=1) as db:
        decide(db, rows, seed)
        splits.read_earlier(db, build, config, seed)
        DuplicateSearch(config=DecideConfig(), pairs=near(pairs or [])).drop(db)
        splits.draw(db, len(rows), config, seed)
        return db.frame(f"""
            SELECT id, style, emotion, reason, cluster,
                {list(SPLITS)}[{splits.FINAL} + 1] AS split
            FROM drawn(0, {len(rows)}) ORDER BY n
        """)
