"""Votes of single people on the pictures of a dataset, wherever it keeps them.

Looked for in this order: a file named by `--votes`, `tables/votes.parquet` of a build, a folder or
file `votes` of a released dataset, the columns `emotion_votes` and `num_votes`, and counts that an
adapter brings. Votes are free choices of one label, or of several: then one of a person's ticks is
drawn, since people are compared with people. A yes/no answer about one proposed label says nothing
of the other labels, nor does a rating, and neither counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmarks.adapters.base import LabelledRows, emotion_names
from benchmarks.adapters.maps import LabelMap
from emo8.core.errors import SourceError

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("id", "annotator", "emotion")
CHOICES = ("choice", "select")  # kinds of votes that name a label among all
NO_VOTES = (
    "has no votes of single people: a build's tables/votes.parquet, a folder `votes`, the columns "
    "emotion_votes and num_votes, or --votes FILE with the columns id, annotator, emotion"
)


@dataclass(frozen=True, kw_only=True)
class Votes:
    """How often each of K labels was chosen for each of N pictures."""

    origin: str  # for messages
    names: tuple[str, ...]  # K
    counts: npt.NDArray[np.int64]  # (N, K)
    # one line a vote, where people are known: picture, person, label as numbers
    cast: npt.NDArray[np.int64] | None = None  # (V, 3)
    notes: tuple[str, ...] = ()

    def only(self, keep: npt.NDArray[np.bool_]) -> Votes:
        """The votes on the pictures (N,) that are kept."""
        place = np.where(keep, keep.cumsum() - 1, -1)
        cast = self.cast
        if cast is not None:
            cast = np.column_stack([place[cast[:, 0]], cast[:, 1:]])[keep[cast[:, 0]]]
        return replace(self, counts=self.counts[keep], cast=cast)

    def per_person(
        self, used: npt.NDArray[np.int64], credits: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """(A,) mean credit of each person's votes on the pictures `used`; empty where unknown."""
        if self.cast is None:
            return np.zeros(0)
        place = np.full(len(self.counts), -1)
        place[used] = np.arange(len(used))
        own = self.cast[place[self.cast[:, 0]] >= 0]
        gained = credits[place[own[:, 0]], own[:, 2]]
        people, person = np.unique(own[:, 1], return_inverse=True)
        votes = np.bincount(person, minlength=len(people))
        return np.asarray(np.bincount(person, gained, minlength=len(people)) / votes)


def of_rows(rows: LabelledRows, index: Sequence[int]) -> LabelledRows:
    """The rows with the votes of those at `index` only."""
    if rows.votes is None:
        return rows
    return replace(rows, votes=replace(rows.votes, values=rows.votes.values[list(index)]))


def find(
    rows: LabelledRows,
    ids: list[str],
    names: tuple[str, ...],
    file: Path | None = None,
    labels: LabelMap | None = None,
) -> Votes | None:
    """The votes on the pictures called `ids`, for labels `names`; None where there are none.

    `labels` renames those of a file, as a label map has renamed those of the rows. Labels that were
    voted for and are not in `names` are added behind them.
    """
    path = file or _beside(Path(rows.origin))
    if path is not None:
        return _from_table(_table(path), str(path), ids, names, labels)
    if rows.votes is None:
        return None
    known = np.isfinite(rows.votes.values).all(axis=1)
    counts = np.where(known[:, None], rows.votes.values, 0).round().astype(np.int64)
    if not counts.any():
        return None
    order = [*names, *(n for n in rows.votes.names if n not in names)]
    wide = np.zeros((len(counts), len(order)), dtype=np.int64)
    wide[:, [order.index(name) for name in rows.votes.names]] = counts
    return Votes(origin=rows.origin, names=tuple(order), counts=wide)


def _beside(data: Path) -> Path | None:
    """Where a build or a released dataset keeps its votes; None where it has none."""
    if not data.exists():
        return None
    folder = data if data.is_dir() else data.parent
    if folder.name == "dataset":
        folder = folder.parent
    for place in ("tables/votes.parquet", "votes", "data/votes", "votes.parquet"):
        path = folder / place
        if path.is_file() or (path.is_dir() and any(path.glob("*.parquet"))):
            return path
    return None


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    try:
        if path.is_dir():
            parts = [pd.read_parquet(part) for part in sorted(path.glob("*.parquet"))]
            return pd.concat(parts, ignore_index=True)
        return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise SourceError(f"{path} cannot be read as votes: {error}") from error


def _one_each(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """One vote of each person on each picture, and how many were drawn from several ticks.

    Of votes in several imports (`batch`) the last import counts, of choices the last one.
    """
    person = ["id", "annotator"]
    if "batch" in table.columns:
        last = table.groupby(person, sort=False)["batch"].transform("last")
        table = table[table["batch"].eq(last) | table["batch"].isna()]
    ticked = np.zeros(len(table), dtype=bool)
    if "kind" in table.columns:
        ticked = table["kind"].eq("select").to_numpy()
    ticks = table[ticked].sort_values([*person, "emotion"]).sample(frac=1, random_state=0)
    several = len(ticks[ticks.duplicated(person)].drop_duplicates(person))
    drawn = table.loc[[*ticks.drop_duplicates(person).index, *table.index[~ticked]]]
    return drawn.drop_duplicates(person, keep="last").sort_index(), several


def _from_table(
    table: pd.DataFrame,
    origin: str,
    ids: list[str],
    names: tuple[str, ...],
    labels: LabelMap | None,
) -> Votes | None:
    missing = [name for name in NEEDED if name not in table.columns]
    if missing:
        raise SourceError(
            f"{origin} has no column {', '.join(missing)}; votes need {', '.join(NEEDED)}, "
            f"found {', '.join(map(str, table.columns))}."
        )
    if "consent" in table.columns:
        table = table[table["consent"].ne(False)]
    notes = []
    if "kind" in table.columns:
        other = int(table["kind"].eq("yes_no").sum())
        if other:
            notes.append(f"{other} yes/no votes say nothing of other labels and do not count")
        table = table[table["kind"].isin(CHOICES)]
    table, ticks = _one_each(table[table["emotion"].notna()])
    if ticks:
        notes.append(f"{ticks} people ticked several labels of a picture: one is drawn for each")
    spelled, _ = emotion_names(table["emotion"].astype(str).tolist())
    if labels is not None:
        spelled = [labels.get(name) for name in spelled]
        lost = sum(name is None for name in spelled)
        notes += [f"{lost} votes are for labels that --map does not list"] if lost else []
    place = {key: number for number, key in enumerate(ids)}
    item = table["id"].astype(str).map(place)
    order = list(dict.fromkeys([*names, *sorted({s for s in spelled if s})]))
    known = item.notna().to_numpy() & np.array([s is not None for s in spelled], dtype=bool)
    strangers = int(item.isna().sum())
    if strangers:
        notes.append(f"{strangers} votes are on pictures that are not among the rows scored")
    if not known.any():
        return None
    _, person = np.unique(table["annotator"].astype(str).to_numpy()[known], return_inverse=True)
    label = [order.index(s) for s, ok in zip(spelled, known, strict=True) if ok and s is not None]
    cast = np.column_stack([item[known].to_numpy(dtype=np.int64), person, label]).astype(np.int64)
    counts = np.zeros((len(ids), len(order)), dtype=np.int64)
    np.add.at(counts, (cast[:, 0], cast[:, 2]), 1)
    return Votes(origin=origin, names=tuple(order), counts=counts, cast=cast, notes=tuple(notes))
