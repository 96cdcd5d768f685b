"""Rows of a build or of any dataset, as the App shows them: a table of short columns, and details.

The table holds one line per row and is small enough for memory. Details (nested claims, texts) and
pictures are read in batches, for the chosen rows only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from emo8.core import label_set, schema
from emo8.core.errors import Emo8Error
from emo8.review import queue, sheets
from emo8.review.final_labels import most_likely

BATCH_ROWS = 256
# Every column that a table has, whatever it was made from.
TEXTS = (
    "id", "sha256", "emotion", "emotion_rule", "emotion_source", "style", "style_rule", "split",
    "cluster", "reason", "step", "detail", "license", "source", "source_path", "source_url",
)  # fmt: skip
NUMBERS = ("emotion_margin", "emotion_entropy", "emotion_agreement", "value")
NESTED = ("emotion_prob", "emotion_votes", "style_prob")
SHORT = frozenset({*TEXTS, *NUMBERS, *NESTED, "num_votes"})
_SHOWN = {name for name, column in schema.PUBLISHED.items() if column.shown} - SHORT
# Published columns that the App shows besides; a label brings its probability.
DETAILS = {
    name: column
    for name, column in schema.PUBLISHED.items()
    if _SHOWN & {name, name.removesuffix("_prob")}
}


class Reader(Protocol):
    """Details and pictures of chosen rows."""

    def details(self, chosen: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
        """Batches of dictionaries, one per chosen row in order."""

    def pictures(self, chosen: pd.DataFrame) -> Iterator[tuple[int, bytes | None]]:
        """(place in `chosen`, encoded bytes) one by one; None where a row has no picture."""

    def vectors(self, chosen: pd.DataFrame) -> np.ndarray:
        """(N, D) unit vectors; rows without one are zeros."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Everything `emo8 browse` needs to know about what it shows."""

    name: str  # of the dataset in FiftyOne
    title: str
    media: Path  # folder for picture files
    table: pd.DataFrame  # one line per row: key, TEXTS, NUMBERS, NESTED, num_votes, interest
    reader: Reader
    build: Path | None = None  # None: a dataset, which takes no votes
    notes: list[str] = field(default_factory=list)  # what the user should know


def dataset_name(title: str, place: Path | str) -> str:
    """The name in FiftyOne: the title, and a hash of the place so that no two are mixed up."""
    where = str(place.resolve()) if isinstance(place, Path) else place
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in title).strip("-") or "data"
    return f"{safe}-{hashlib.sha256(where.encode()).hexdigest()[:6]}"


def with_interest(table: pd.DataFrame) -> pd.DataFrame:
    """The table with what makes rows interesting: doubt, mistakes, rarity, cluster sizes."""
    table = table.reset_index(drop=True)
    table["kept"] = table["reason"].isna()
    table["emotion_clip"] = most_likely(table["emotion_prob"], label_set.emotions())
    table["clip_prob"] = [None if p is None else float(np.max(p)) for p in table["emotion_prob"]]
    if "disputed" not in table:  # a published dataset: its build knows
        table["disputed"] = False
    sure = table[table["kept"] & table["emotion_prob"].notna()]
    found = queue.numbers(sure)
    scores = sheets.label_scores(sure)
    table = table.join(found).join(scores[["label_quality", "is_issue"]])
    claims = table[["emotion_source", "emotion_clip"]].notna().all(axis=1)
    table["disagree"] = claims & (table["emotion_source"] != table["emotion_clip"])
    table["disagree"] &= table["emotion_source"].isin(label_set.emotions())
    table["cluster_rows"] = table["cluster"].map(table["cluster"].value_counts())
    keys = table["id"].fillna("") + "|" + table["source"].fillna("") + "|"
    keys += table["source_path"].fillna("")
    again = keys.groupby(keys).cumcount()
    table["key"] = keys.where(again == 0, keys + "|" + again.astype(str))
    return table


def choose(table: pd.DataFrame, *, where: str = "", limit: int = 0) -> pd.DataFrame:
    """The rows that `--where` and `--limit` leave; Emo8Error with the columns for a bad EXPR."""
    if where:
        try:
            kept = table.query(where, engine="python")
        except Exception as error:  # pandas raises anything from SyntaxError to KeyError
            columns = ", ".join(sorted(str(name) for name in table.columns))
            raise Emo8Error(
                f"--where {where!r}: {error}. Write for example style == 'cartoon' and "
                f"emotion_entropy > 0.8; columns: {columns}"
            ) from None
        if not isinstance(kept, pd.DataFrame):
            raise Emo8Error(f"--where {where!r} is no condition; write for example num_votes == 0")
        table = kept
    if limit:
        table = table.head(limit)
    if table.empty:
        raise Emo8Error(f"no row is left by --where {where!r}" if where else "there are no rows")
    return table
