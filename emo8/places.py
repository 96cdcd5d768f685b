"""Where rows lie in the shards: published rows stay where they are, new ones come behind them.

Without a release the order is that of the sources. A release is remembered in
`tables/places.parquet`, and `[splits] keep` names datasets published before; then a picture added
in the middle of a folder is written behind the rows its readers have, and an update uploads little
more than the new rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.parts import fingerprint, write_part
from emo8.shards import list_shards

PARTS_PER_SHARD = 16
TABLE = "places.parquet"  # in tables/
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Places:
    """Shard number of every published row by id, in the order in which they were written."""

    shard: dict[str, int] = field(default_factory=dict)


def published(build: Path, recipe_dir: Path, keep: tuple[str, ...]) -> Places:
    """The places of rows that this build, or a dataset folder in `keep`, has published."""
    known: dict[str, int] = {}
    for name in keep:
        for shard in list_shards(recipe_dir / name):
            ids = pq.read_table(recipe_dir / name / shard.name, columns=["id"])["id"]
            known.update(dict.fromkeys(ids.to_pylist(), shard.group))
    path = build / "tables" / TABLE
    if path.exists():
        table = pq.read_table(path)
        known.update(zip(table["id"].to_pylist(), table["shard"].to_pylist()))
    return Places(shard=known)


def assign(verdicts: pd.DataFrame, places: Places, part_rows: int) -> pd.DataFrame:
    """`shard` and `rank` of every row (`id`, `part`, `reason`); rank orders the rows of a shard."""
    rows = range(len(verdicts))
    if not places.shard:
        return pd.DataFrame(
            {"shard": verdicts["part"] // PARTS_PER_SHARD, "rank": rows}, index=verdicts.index
        )
    order = {key: rank for rank, key in enumerate(places.shard)}
    kept = verdicts["reason"].isna()
    shard: pd.Series = verdicts["id"].map(places.shard)
    new = kept & shard.isna()
    last = max(places.shard.values())
    used = sum(number == last for number in places.shard.values())
    room = PARTS_PER_SHARD * part_rows
    behind = used + new[new].cumsum() - 1  # place counted from the start of the last shard
    shard = shard.where(~new, last + behind // room)
    rank = verdicts["id"].map(order).fillna(pd.Series(rows, verdicts.index) + len(order))
    return pd.DataFrame({"shard": shard.fillna(0).astype("int64"), "rank": rank.astype("int64")})


def remember(build: Path) -> None:
    """Keep the places of the rows of a finished build: they have been published."""
    columns = ["id", "shard", "rank", "reason"]
    verdicts = pq.read_table(build / "tables" / "verdicts.parquet", columns=columns).to_pandas()
    kept = verdicts[verdicts["reason"].isna()].sort_values(["shard", "rank"])
    table = pa.table(
        {"id": kept["id"], "shard": kept["shard"]},
        schema=pa.schema([("id", pa.string()), ("shard", pa.int64())]),
    )
    write_part(table, build / "tables" / TABLE, fingerprint(VERSION))
