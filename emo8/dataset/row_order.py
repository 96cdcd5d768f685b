"""Where rows lie in the shards: published rows stay where they are, new ones come behind them.

Without a release the order is that of the sources. A release is remembered in
`tables/places.parquet`, and `[splits] keep` names datasets published before; then a picture added
in the middle of a folder is written behind the rows its readers have, and an update uploads little
more than the new rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.dataset.shards import list_shards
from emo8.engine.files import fingerprint, write_part
from emo8.engine.row_index import first_occurrence, index_of
from emo8.engine.verdict_table import VERDICTS

PARTS_PER_SHARD = 16
TABLE = "places.parquet"  # in tables/
VERSION = 1
# The shard of every published row, in the order in which they were written.
PLACES = pa.schema([("id", pa.string()), ("shard", pa.int64())])


def published(build: Path, recipe_dir: Path, keep: tuple[str, ...]) -> pa.Table:
    """`PLACES` of rows that this build, or a dataset folder in `keep`, has published."""
    known = []
    for name in keep:
        for shard in list_shards(recipe_dir / name):
            ids = pq.read_table(recipe_dir / name / shard.name, columns=["id"])["id"]
            known.append(pa.table([ids, np.full(len(ids), shard.group)], schema=PLACES))
    path = build / "tables" / TABLE
    if path.exists():
        known.append(pq.read_table(path, schema=PLACES))
    every = pa.concat_tables([PLACES.empty_table(), *known])
    if len(known) < 2:
        return every
    latest = pa.concat_tables(reversed(known))  # a row keeps its order, and its latest shard
    ids = every["id"].filter(first_occurrence(every["id"]) == np.arange(len(every)))
    return pa.table([ids, latest["shard"].take(index_of(ids, latest["id"]))], schema=PLACES)


def assign(verdicts: pd.DataFrame, places: pa.Table, part_rows: int) -> pd.DataFrame:
    """`shard` and `rank` of every row (`id`, `part`, `reason`); rank orders the rows of a shard."""
    rows = np.arange(len(verdicts))
    if not len(places):
        shard = verdicts["part"].to_numpy() // PARTS_PER_SHARD
        return pd.DataFrame({"shard": shard, "rank": rows}, index=verdicts.index)
    place, shards = index_of(verdicts["id"], places["id"]), places["shard"].to_numpy()
    old = place >= 0
    new = verdicts["reason"].isna().to_numpy() & ~old
    last = shards.max()
    behind = np.count_nonzero(shards == last) + np.cumsum(new) - 1  # from the last shard's start
    fresh = np.where(new, last + behind // (PARTS_PER_SHARD * part_rows), 0)
    return pd.DataFrame(
        {
            "shard": np.where(old, shards[place], fresh),
            "rank": np.where(old, place, rows + len(places)),
        },
        index=verdicts.index,
    )


def remember(build: Path) -> None:
    """Keep the places of the rows of a finished build: they have been published."""
    columns = ["id", "shard", "rank", "reason"]
    verdicts = pq.read_table(build / VERDICTS, columns=columns).to_pandas()
    kept = verdicts[verdicts["reason"].isna()].sort_values(["shard", "rank"])
    table = pa.table({"id": kept["id"], "shard": kept["shard"]}, schema=PLACES)
    write_part(table, build / "tables" / TABLE, fingerprint(VERSION))
