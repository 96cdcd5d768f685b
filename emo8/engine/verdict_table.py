"""`tables/verdicts.parquet`: what became of every input of a build, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from emo8.engine.files import write_part
from emo8.engine.row_index import index_of

VERDICTS = Path("tables") / "verdicts.parquet"
_ORIGIN = pa.struct([("source", pa.string()), ("source_url", pa.string())])
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
        ("also_from", pa.list_(_ORIGIN)),
        ("shard", pa.int32()),
        ("rank", pa.int64()),
    ]
)


def write(build: Path, verdicts: pd.DataFrame, fingerprint: str) -> None:
    """Write the verdicts of a build."""
    table = pa.Table.from_pandas(verdicts, SCHEMA, preserve_index=False)
    write_part(table.replace_schema_metadata(), build / VERDICTS, fingerprint)


def provenance_of_copies(verdicts: pd.DataFrame) -> pd.Series:
    """For each row the sources of the copies that left in its favour."""
    copies = verdicts[verdicts["reason"].isin(["duplicate_exact", "duplicate_near"])]
    keeper, survivors = pd.factorize(copies["survivor"])
    found: list[list[Any]] = [[] for _ in survivors] + [[]]
    origins = copies[["source", "source_url"]].astype(object)
    for number, origin in zip(keeper, origins.where(origins.notna(), None).to_dict("records")):
        found[number].append(origin)
    place = index_of(verdicts["id"], survivors.to_series())
    place[verdicts["reason"].notna()] = -1
    return pd.Series([found[number] for number in place], index=verdicts.index, dtype=object)
