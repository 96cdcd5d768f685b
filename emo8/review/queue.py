"""Which rows a person should look at first, and who looks at which.

A row's review value is the chance that its label is wrong times how rare its cell (style x
emotion) is: a minute spent on it corrects most, where it counts most. The chance is
1 - the winner's share where people voted; 1 - CLIP's probability of the label where the source or
CLIP made it; 1 where nobody did. Rarity is sqrt(mean size of a cell / its size), at most 3. A
picture whose copies carry different labels is a known mistake and comes before all others: 3 more.

`BUILD/tables/assignments.parquet` says who was asked about which row, under the names they were
given: it stays in the build and is never published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emo8.core import label_set
from emo8.core.errors import Emo8Error
from emo8.engine.files import fingerprint, write_part
from emo8.review import votes
from emo8.review.annotators import pseudonym, salt_of

ASSIGNMENTS = "assignments.parquet"
MAX_RARITY = 3.0  # a cell of one row must not outweigh every doubt elsewhere
_SCHEMA = pa.schema([("id", pa.string()), ("annotator", pa.string()), ("place", pa.int32())])


def numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """Per kept row: `mistakenness`, `hardness`, `cell`, `cell_rows`, `review_value`.

    `rows` has emotion, emotion_rule, emotion_votes, emotion_prob, emotion_entropy, style,
    disputed.
    """
    prob = distributions(rows["emotion_prob"])
    label = (
        rows["emotion"]
        .map({name: k for k, name in enumerate(label_set.emotions())})
        .to_numpy(float)
    )
    likely = np.array(label_set.emotions(), dtype=object)[prob.argmax(axis=1)]
    emotion = rows["emotion"].where(rows["emotion"].notna(), pd.Series(likely, rows.index))
    cell = rows["style"].fillna(label_set.NO_STYLE).str.cat(emotion, sep=" / ")
    size = cell.map(cell.value_counts()).astype(int)
    rarity = np.sqrt(len(rows) / max(cell.nunique(), 1) / size)
    value = chance_wrong(rows, prob, label) * np.minimum(rarity, MAX_RARITY)
    return pd.DataFrame(
        {
            "mistakenness": mistakenness(prob, label),
            "hardness": rows["emotion_entropy"].astype(float),
            "cell": cell,
            "cell_rows": size,
            "review_value": value + MAX_RARITY * rows["disputed"].eq(True),
        },
        index=rows.index,
    ).round(4)


def mistakenness(prob: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(N,) 0 to 1 from CLIP's (N, K) distributions and label numbers; NaN without a label.

    Source: the definition for classifications in FiftyOne's brain (`compute_mistakenness`): a
    contradiction counts (1 + confidence) / 2, an agreement (1 - confidence) / 2.
    """
    confidence = prob.max(axis=1)
    signed = np.where(prob.argmax(axis=1) == label, -confidence, confidence)
    return np.where(np.isnan(label), np.nan, (1 + signed) / 2)


def chance_wrong(rows: pd.DataFrame, prob: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(N,) chance that each final label is wrong, as the module's head says."""
    known = ~np.isnan(label)
    place = np.where(known, label, 0).astype(int)
    found = np.where(known, 1 - prob[np.arange(len(prob)), place], 1.0)
    for row, shares in enumerate(rows["emotion_votes"]):
        if shares is not None:
            found[row] = 1 - float(np.max(shares))
    return np.asarray(np.clip(found, 0, 1))


def distributions(column: pd.Series) -> np.ndarray:
    """A column of distributions as (N, 8); rows without one are even."""
    even = np.full(len(label_set.emotions()), 1 / len(label_set.emotions()))
    found = [even if row is None else np.asarray(row, float) for row in column]
    return np.stack(found) if found else np.zeros((0, len(label_set.emotions())))


def ranked(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows nobody has voted on, highest review value first, with `review_value`."""
    found = rows.assign(review_value=numbers(rows)["review_value"])
    found = found[found["num_votes"].eq(0)].drop_duplicates("id")
    return found.sort_values(["review_value", "id"], ascending=[False, True])


def by_value(rows: pd.DataFrame) -> pd.DataFrame:
    """All rows: those nobody has voted on first, each of both by review value."""
    found = rows.assign(
        review_value=numbers(rows)["review_value"], voted=rows["num_votes"].gt(0)
    ).drop_duplicates("id")
    return found.sort_values(["voted", "review_value", "id"], ascending=[True, False, True])


def assign(
    build: Path, rows: pd.DataFrame, annotators: Sequence[str], *, overlap: int = 1, limit: int = 0
) -> pd.DataFrame:
    """Give each of the first `limit` ranked rows to `overlap` annotators and remember it.

    Loads are even, and everybody overlaps with everybody, so that agreement can be measured. An
    earlier assignment is replaced; votes that were cast stay.
    """
    names = list(dict.fromkeys(annotators))
    if overlap < 1 or overlap > len(names):
        raise Emo8Error(
            f"--overlap {overlap}: each row goes to that many of the {len(names)} annotators "
            f"({', '.join(names)}); use 1 to {len(names)}"
        )
    first = ranked(rows)
    ids = (first.head(limit) if limit else first)["id"].tolist()
    load = dict.fromkeys(names, 0)
    found = []
    for place, key in enumerate(ids):
        order = sorted(names, key=lambda name: (load[name], _draw(key, name)))
        for name in order[:overlap]:
            load[name] += 1
            found.append({"id": key, "annotator": name, "place": place})
    table = pa.Table.from_pylist(found, schema=_SCHEMA)
    write_part(table, build / "tables" / ASSIGNMENTS, fingerprint(found))
    return table.to_pandas()


def forget(build: Path, ids: set[str]) -> None:
    """Nobody is asked about these rows any more."""
    path = build / "tables" / ASSIGNMENTS
    if not path.exists():
        return
    asked = pq.read_table(path, schema=_SCHEMA)
    left = asked.filter(pc.invert(pc.is_in(asked["id"], pa.array(sorted(ids)))))
    if len(left) < len(asked):
        write_part(left, path, fingerprint(left.to_pylist()))


def assignments(build: Path) -> pd.DataFrame:
    """Who was asked about which row: id, annotator, place, and `done` once they have voted."""
    path = build / "tables" / ASSIGNMENTS
    table = pq.read_table(path) if path.exists() else _SCHEMA.empty_table()
    asked = table.to_pandas()
    cast = votes.counted(votes.read_votes(build))
    voted = set(zip(cast["id"], cast["annotator"]))
    salt = salt_of(build) if len(asked) else ""
    who = {name: pseudonym(name, salt) for name in asked["annotator"].unique()}
    done = [(key, who[name]) in voted for key, name in zip(asked["id"], asked["annotator"])]
    return asked.assign(done=pd.Series(done, asked.index, dtype=bool))


def open_rows(build: Path, annotator: str) -> list[str]:
    """The ids that an annotator was asked about and has not voted on, in order."""
    asked = assignments(build)
    names = sorted(asked["annotator"].unique())
    if annotator not in names:
        known = ", ".join(names) or "nobody: use --assign NAME… first"
        raise Emo8Error(f"nothing is assigned to {annotator!r}; assigned are: {known}")
    own = asked[asked["annotator"].eq(annotator) & ~asked["done"]]
    return own.sort_values("place")["id"].tolist()


def _draw(key: str, name: str) -> str:
    return hashlib.sha256(f"{key}:{name}".encode()).hexdigest()
