"""What a dataset claims about the pictures that were asked about."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from benchmarks.adapters import maps, registry
from benchmarks.adapters.base import LabelledRows, Numbers
from benchmarks.counting import COUNTED_RULES
from benchmarks.people import votes as votes_
from benchmarks.people.votes import Votes
from benchmarks.transfer import relabelled
from emo8.core.errors import SourceError
from emo8.core.taxonomy import EMOTIONS

_SHOWN = 3  # ids in a message


@dataclass(frozen=True, kw_only=True)
class Truth:
    """N rows whose label counts."""

    rows: LabelledRows
    index: npt.NDArray[np.int64]  # (N,) row numbers in the dataset
    ids: list[str]  # (N,)
    names: tuple[str, ...]  # K labels that one may answer with, sorted
    label: npt.NDArray[np.int64]  # (N,)
    left_out: dict[str, int]  # reason -> rows
    votes: Votes | None  # of the N rows

    def column(self, name: str) -> list[str | None] | None:
        """A column of the N rows; None where the dataset has none of that name."""
        if name not in self.rows.column_names:
            return None
        values = self.rows.column(name)
        return [values[row] for row in self.index]

    def num_people(self) -> list[int | None] | None:
        """How many people each picture shows, where the dataset knows."""
        if self.rows.num_people is None:
            return None
        return [self.rows.num_people[row] for row in self.index]

    def numbers(self, numbers: Numbers) -> npt.NDArray[np.float64]:
        """The values (N, K) of shares or scales."""
        found: npt.NDArray[np.float64] = numbers.values[self.index]
        return found

    def only(self, keep: npt.NDArray[np.bool_]) -> Truth:
        """The rows (N,) that are kept."""
        votes = self.votes
        if votes is not None:
            votes = votes.only(keep)
        return replace(
            self, index=self.index[keep], label=self.label[keep], votes=votes,
            ids=[key for key, kept in zip(self.ids, keep, strict=True) if kept],
        )  # fmt: skip

    def sha256(self) -> str:
        """Names the rows and their labels."""
        names = [self.names[k] if k >= 0 else "" for k in self.label]
        lines = [f"{key} {name}" for key, name in zip(self.ids, names, strict=True)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read(
    data: str,
    path: Path | None = None,
    *,
    labels: str = "counted",
    label_map: str | None = None,
    votes: Path | None = None,
    image: str = "image",
    emotion: str = "emotion",
) -> Truth:
    """The rows of `--data` whose label is a person's or a source's claim (all if asked)."""
    rows = registry.read(data, path, image=image, emotion=emotion)
    if label_map is not None:
        rows = relabelled(rows, label_map)
    names_of = rows.emotion if any(rows.emotion) else _from_shares(rows)
    if not any(names_of) and rows.scales is not None:
        return _on_scales(rows)
    left_out: Counter[str] = Counter()
    index: list[int] = []
    for row, (name, rule) in enumerate(zip(names_of, rows.rule, strict=True)):
        if name is None:
            left_out["no emotion"] += 1
        elif labels != "all" and rule not in COUNTED_RULES:
            left_out[f"emotion_rule {rule}"] += 1
        else:
            index.append(row)
    if not index:
        why = ", ".join(f"{n} x {reason}" for reason, n in left_out.items()) or "no rows"
        raise SourceError(
            f"{rows.origin}: no row has a label by a person or a source ({why}); --labels all "
            "counts a model's labels too."
        )
    known_map = maps.load(label_map) if label_map else None
    names = label_set({str(names_of[row]) for row in index})
    ids = _ids(rows, index)
    return Truth(
        rows=rows,
        index=np.array(index),
        ids=ids,
        names=names,
        label=np.array([names.index(str(names_of[row])) for row in index]),
        left_out=dict(sorted(left_out.items())),
        votes=votes_.find(votes_.of_rows(rows, index), ids, names, votes, known_map),
    )


def label_set(found: set[str]) -> tuple[str, ...]:
    """The labels one may answer with: the eight emotions where all that were found are of them.

    A small dataset may lack some of the eight; they are wrong answers then, and no strange ones.
    """
    return EMOTIONS if found <= set(EMOTIONS) else tuple(sorted(found))


def _on_scales(rows: LabelledRows) -> Truth:
    """The rows with numbers on all scales, of a dataset that names no label."""
    assert rows.scales is not None
    index = np.flatnonzero(np.isfinite(rows.scales.values).all(axis=1))
    left_out = {"no numbers": len(rows) - len(index)} if len(index) < len(rows) else {}
    return Truth(
        rows=rows, index=index, ids=_ids(rows, index.tolist()), names=(), votes=None,
        label=np.full(len(index), -1), left_out=left_out,
    )  # fmt: skip


def _from_shares(rows: LabelledRows) -> list[str | None]:
    """The label with the largest share of votes; the first of equal ones."""
    if rows.shares is None:
        return [None] * len(rows)
    known = np.isfinite(rows.shares.values).all(axis=1)
    top = np.where(known[:, None], rows.shares.values, 0).argmax(axis=1)
    return [rows.shares.names[k] if ok else None for k, ok in zip(top, known, strict=True)]


def _ids(rows: LabelledRows, index: Sequence[int]) -> list[str]:
    """Ids of the rows: their own, else their file, else the SHA-256 of their bytes."""
    for column in ("id", "file"):
        if column in rows.column_names:
            own = rows.column(column)
            if all(own[row] for row in index):
                return [str(own[row]) for row in index]
    return [hashlib.sha256(data or b"").hexdigest() for data in rows.images(list(index))]


def places(truth: Truth, keys: Sequence[str], origin: str) -> npt.NDArray[np.int64]:
    """Which of the N rows each key means, -1 = none; SourceError where no key means any.

    A key is a row's id, its file, or a path whose last parts name one file only.
    """
    known = {key: row for row, key in enumerate(truth.ids)}
    if len(known) < len(truth.ids):
        twice, count = Counter(truth.ids).most_common(1)[0]
        raise SourceError(
            f"{truth.rows.origin}: {count} rows have the id {twice!r}, so that an answer does not "
            "say which one it means."
        )
    files = truth.column("file") or truth.ids
    by_end: dict[str, int | None] = {}
    for row, file in enumerate(files):
        for end in _ends(str(file)):
            by_end[end] = row if end not in by_end else None
    found = []
    for key in keys:
        row = known.get(key)
        if row is None:
            row = next((r for end in _ends(key) if (r := by_end.get(end)) is not None), None)
        found.append(-1 if row is None else row)
    if keys and max(found) < 0:
        raise SourceError(
            f"{origin}: none of its {len(keys)} ids is among the {len(known)} rows of "
            f"{truth.rows.origin} whose label counts. Answers are about "
            f"{', '.join(repr(k) for k in keys[:_SHOWN])}; rows are called "
            f"{', '.join(repr(k) for k in truth.ids[:_SHOWN])}."
        )
    return np.array(found, dtype=np.int64)


def _ends(path: str) -> list[str]:
    """The last parts of a path, the longest first."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return ["/".join(parts[start:]) for start in range(len(parts))]
