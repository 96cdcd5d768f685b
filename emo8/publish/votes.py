"""People's votes on the published rows: the config `votes` of a release.

Annotators are pseudonyms, times are days, and what people wrote in their own words about a
rejection stays at home. `[publish] votes` says whose votes go out: "consented" = of those who
agreed, "all" = also of those whom nobody asked; who refused is never published.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from emo8.core import schema
from emo8.core.settings import PublishConfig
from emo8.core.taxonomy import SPLITS
from emo8.dataset import layout
from emo8.dataset.shards import VOTES, read_rows
from emo8.engine.files import parquet_writer
from emo8.review import votes


def published_votes(build: Path, root: Path, publish: PublishConfig) -> pd.DataFrame:
    """The votes that go out, with the `split` of their row, in an order that no import changes."""
    cast = votes.counted(votes.read_votes(build))
    if publish.votes == "consented":
        cast = cast[cast["consent"].eq(True)]
    elif publish.votes == "off":
        cast = cast.iloc[:0]
    rows = read_rows(root, ["id"]).select(["id", "split"]).to_pandas()
    own = cast.merge(rows.drop_duplicates("id"), on="id")
    own["time"] = own["time"].dt.date
    return own.sort_values(["id", "annotator", "kind", "emotion", "style"], kind="stable")


def write_votes(build: Path, root: Path, publish: PublishConfig) -> int:
    """Write the votes of a staged release, one file per split; how many there are."""
    own = published_votes(build, root, publish)
    features = schema.votes_features().arrow_schema.metadata
    columns = schema.votes_schema().with_metadata(features)
    for split in SPLITS:
        part = own[own["split"].eq(split)]
        if part.empty:
            continue
        table = pa.Table.from_pandas(part[columns.names], columns, preserve_index=False)
        path = root / VOTES / f"{split}-00000.parquet"
        with parquet_writer(path, columns, **layout.parquet_options(columns)) as writer:
            writer.write_table(table, row_group_size=layout.MAX_GROUP_ROWS)
    return len(own)


def summary(build: Path, published: int) -> dict[str, Any] | None:
    """Numbers for the card: votes cast, published and kept back; None where nobody voted."""
    cast = votes.counted(votes.read_votes(build))
    if cast.empty:
        return None
    return {
        "cast": len(cast),
        "published": published,
        "not_asked": int(cast["consent"].isna().sum()),
    }
