"""Where rows lie in the shards: published rows stay where they are, new ones come behind them.

Without a release the order is that of the sources. A release is remembered in
`tables/places.parquet`, and `[splits] keep` names datasets published before; then a picture added
in the middle of a folder is written behind the rows its readers have, and an update uploads little
more than the new rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from emo8.dataset.shards import list_shards
from emo8.engine.database import Database, parquet, reading
from emo8.engine.files import fingerprint, write_part
from emo8.engine.verdict_table import VERDICTS

SHARD_PARTS = 16  # a shard holds about as many rows as so many parts of the size in the recipe
TABLE = "places.parquet"  # in tables/
VERSION = 1
# The shard of every published row, in the order in which they were written.
PLACES = pa.schema([("id", pa.string()), ("shard", pa.int64())])


def published(db: Database, recipe_dir: Path, keep: tuple[str, ...]) -> None:
    """Make `places`: rows this build, or a dataset folder in `keep`, has published.

    A row keeps its `place` in their order, and its latest shard.
    """
    known = [
        (recipe_dir / name / shard.name, str(shard.group))
        for name in keep
        for shard in list_shards(recipe_dir / name)
    ]
    if (path := db.build / "tables" / TABLE).exists():
        known.append((path, "shard"))
    every = " UNION ALL ".join(
        f"SELECT id, {shard} AS shard, {n} AS file, file_row_number AS row FROM {parquet(file)}"
        for n, (file, shard) in enumerate(known)
    )
    nothing = "SELECT '' AS id, 0 AS shard, 0 AS file, 0 AS row WHERE FALSE"
    db.run(f"""
        CREATE TABLE places AS
        SELECT id, row_number() OVER (ORDER BY first) - 1 AS place, CAST(shard AS BIGINT) AS shard
        FROM (
            SELECT id, min((file, row)) AS first, max_by(shard, (file, -row)) AS shard
            FROM ({every or nothing}) GROUP BY id
        )
    """)


def assign(db: Database, num_rows: int, shard_rows: int, shard_of: Sequence[int]) -> None:
    """Make `ordered(first, last)`: rows of `drawn` with `shard` and `rank`, their order in it.

    Rows that nobody has published go to the shard of their part, or, behind published ones, where
    `shard_rows` leave room.
    """
    num_places = db.value("SELECT count(*) FROM places")
    if not num_places:
        db.run(f"""
            CREATE MACRO ordered(first, last) AS TABLE
            SELECT *, {list(shard_of)}[part + 1] AS shard, n AS rank FROM drawn(first, last)
        """)
        return
    db.run("""
        CREATE TABLE old AS SELECT n, place, shard FROM facts JOIN places USING (id) ORDER BY n
    """)
    db.run(f"""
        CREATE TABLE new AS
        SELECT n, row_number() OVER (ORDER BY n) - 1 AS number
        FROM decided(0, {num_rows}) ANTI JOIN old USING (n) WHERE reason IS NULL ORDER BY n
    """)
    last, behind = db.lines("SELECT shard, count(*) FROM places GROUP BY shard ORDER BY 1 DESC")[0]
    db.run(f"""
        CREATE MACRO ordered(first, last) AS TABLE
        SELECT * EXCLUDE (shard, place, number),
            coalesce(shard, {last} + ({behind} + number) // {shard_rows}, 0) AS shard,
            coalesce(place, {num_places} + n) AS rank
        FROM drawn(first, last)
        LEFT JOIN (FROM old WHERE n >= first AND n < last) USING (n)
        LEFT JOIN (FROM new WHERE n >= first AND n < last) USING (n)
    """)


def remember(build: Path) -> None:
    """Keep the places of the rows of a finished build: they have been published."""
    with reading(build) as db:
        table = db.arrow(f"""
            SELECT id, CAST(shard AS BIGINT) AS shard FROM {parquet(build / VERDICTS)}
            WHERE reason IS NULL ORDER BY shard, rank
        """)
    write_part(table.cast(PLACES), build / "tables" / TABLE, fingerprint(VERSION))
