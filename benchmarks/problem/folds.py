"""Which rows train and which test: a dataset's own split, k folds, or one group left out.

Rows are numbered 0 .. N-1 among the counted rows. Copies (rows of one `cluster` or of the same
bytes) never stand on both sides of a fold or of a left-out group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emo8.core.errors import SourceError

Index = npt.NDArray[np.int64]
DEFAULT_FOLDS = 5
# A dataset's own test split is used unasked only if it has this many rows of every emotion.
OWN_SPLIT_MIN_ROWS = 5


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The counted rows, as far as splitting them needs to know."""

    emotion: npt.NDArray[np.str_]  # (N,) names
    split: npt.NDArray[np.str_]  # (N,) train, val, test or another name; "" = none
    cluster: Index  # (N,) equal numbers are copies of each other
    origin: str  # for messages
    has_classes: bool = True  # False = names are strata of another task, and no row may be lost

    def count(self, rows: Index) -> Counter[str]:
        return Counter(self.emotion[rows].tolist())


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Rows to learn from, rows to choose settings on (empty = inner folds), rows to score."""

    train: Index
    valid: Index
    test: Index


@dataclass(frozen=True, kw_only=True)
class FoldPlan:
    """One result to be: predictions on all its test rows are pooled and scored once."""

    split: str  # "own", "5-fold", "leave-one-group-out", "all rows"
    folds: tuple[Fold, ...]
    group: str | None = None  # the left-out value
    blocks: Index | None = None  # (N,) inner folds keep equal numbers together; None = clusters
    notes: tuple[str, ...] = ()


def numbered(values: Sequence[str | None], fallback: Sequence[str]) -> Index:
    """Equal numbers for rows that equal values or equal fallbacks link, directly or by others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    places: dict[tuple[str, str], int] = {}
    links = [
        (row, places.setdefault(key, len(values) + len(places)))
        for row, both in enumerate(zip(values, fallback, strict=True))
        for key in zip(("value", "fallback"), both, strict=True)
        if key[1] is not None
    ]
    if not links:
        return np.zeros(0, dtype=np.int64)
    row, place = np.array(links).T
    size = len(values) + len(places)
    graph = coo_array((np.ones(len(links)), (row, place)), shape=(size, size))
    found: Index = connected_components(graph, directed=False)[1][: len(values)].astype(np.int64)
    return found


def untrained(rows: Rows, groups: Sequence[str] | None) -> list[FoldPlan]:
    """Plans for protocols that learn nothing: the own test split, all rows, or each group."""
    everything = np.arange(len(rows.emotion))
    nothing = everything[:0]
    if groups is not None:
        names = np.array(groups)
        return [
            FoldPlan(
                split="leave-one-group-out",
                folds=(Fold(train=nothing, valid=nothing, test=np.flatnonzero(names == name)),),
                group=name,
            )
            for name in sorted(set(groups))
        ]
    own = _own_reason(rows) is None
    test = np.flatnonzero(rows.split == "test") if own else everything
    split = "own" if own else "all rows"
    return [FoldPlan(split=split, folds=(Fold(train=nothing, valid=nothing, test=test),))]


def own_or_kfold(rows: Rows, num_folds: int | None, seed: int) -> FoldPlan:
    """The dataset's own split where it is usable, else k folds; 0 insists on the own split."""
    reason = _own_reason(rows)
    if num_folds == 0 and not (rows.split == "train").any() & (rows.split == "test").any():
        raise SourceError(
            f"--folds 0: {rows.origin} has no own train and test split: {reason}. Use --folds 5 "
            "for cross-validation, or give a split with --split-list CSV (file,split)."
        )
    if num_folds == 0 or (num_folds is None and reason is None):
        train, valid, test = (np.flatnonzero(rows.split == s) for s in ("train", "val", "test"))
        unseen = sorted(set(rows.emotion[test]) - set(rows.emotion[train]))
        unseen = unseen if rows.has_classes else []
        notes = [f"no training rows of {', '.join(unseen)}: always wrong there"] if unseen else []
        known = ("train", "val", "test", "")
        other = Counter(split for split in rows.split.tolist() if split not in known)
        if other:
            there = ", ".join(f"{name} {count}" for name, count in sorted(other.items()))
            notes.append(f"rows in neither train, val nor test are not used: {there}")
        copies = int(np.isin(rows.cluster[test], rows.cluster[train]).sum())
        if copies:
            notes.append(f"{copies} test rows have a copy among the training rows")
        fold = Fold(train=train, valid=valid, test=test)
        return FoldPlan(split="own", folds=(fold,), notes=tuple(notes))
    notes = [f"own split not used: {reason}"] if num_folds is None else []
    return _kfold(rows, num_folds or DEFAULT_FOLDS, seed, notes)


def _own_reason(rows: Rows) -> str | None:
    """Why the dataset's own split is not usable, or None where it is."""
    train = rows.count(np.flatnonzero(rows.split == "train"))
    test = rows.count(np.flatnonzero(rows.split == "test"))
    if not train or not test:
        found = Counter(split for split in rows.split.tolist() if split)
        there = ", ".join(f"{name} {count}" for name, count in sorted(found.items()))
        return f"no counted rows in {'test' if train else 'train'} (found: {there or 'no split'})"
    names = sorted(set(rows.emotion.tolist()))
    few = [name for name in names if min(train[name], test[name]) < OWN_SPLIT_MIN_ROWS]
    if few and rows.has_classes:
        return f"under {OWN_SPLIT_MIN_ROWS} rows in train or test of {', '.join(few)}"
    return None


def _kfold(rows: Rows, num_folds: int, seed: int, notes: list[str]) -> FoldPlan:
    """k stratified folds over all rows; emotions with fewer than k clusters are left out."""
    if num_folds < 2:
        raise SourceError(f"--folds {num_folds}: at least 2, or 0 for the dataset's own split.")
    kept = np.ones(len(rows.emotion), dtype=bool)
    for name in sorted(set(rows.emotion.tolist())):
        mine = rows.emotion == name
        clusters = len(set(rows.cluster[mine].tolist()))
        if clusters < num_folds and rows.has_classes:
            kept &= ~mine
            what = f"{name} left out: {int(mine.sum())} rows in {clusters} clusters"
            notes.append(f"{what}, {num_folds} folds need as many clusters")
    left = np.flatnonzero(kept)
    counts = rows.count(np.arange(len(rows.emotion)))
    enough = len(set(rows.emotion[left].tolist())) > 1
    if not enough and (rows.has_classes or len(left) < num_folds):
        found = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        raise SourceError(
            f"{rows.origin}: too few labelled rows for {num_folds} folds ({found}). "
            "Add labelled rows, use fewer --folds, or count all labels with --labels all."
        )
    empty = left[:0]
    folds = tuple(
        Fold(train=left[train], valid=empty, test=left[test])
        for train, test in split_keeping(rows.emotion[left], rows.cluster[left], num_folds, seed)
    )
    return FoldPlan(split=f"{num_folds}-fold", folds=folds, notes=tuple(notes))


def split_keeping(
    emotion: npt.NDArray[np.generic], blocks: Index, num_folds: int, seed: int
) -> list[tuple[Index, Index]]:
    """Stratified folds (train, test) in which rows of one block stay on one side."""
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    alone = len(np.unique(blocks)) == len(blocks)
    maker = StratifiedKFold if alone else StratifiedGroupKFold
    folds = maker(n_splits=num_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # a rare emotion may miss in a fold; pooling copes with it
        warnings.simplefilter("ignore", UserWarning)
        found = list(folds.split(emotion, emotion, None if alone else blocks))
    return [(train, test) for train, test in found if len(train) and len(test)]


def leave_group_out(
    rows: Rows, groups: Sequence[str], cross_clusters: int | None, seed: int
) -> list[FoldPlan]:
    """One plan per group: train on the others, test on it.

    Copies of test rows are taken out of the training rows. With `cross_clusters` the clusters are
    cut into that many folds and a fold is tested by a model that saw neither it nor the group.
    """
    names = np.array(groups)
    if len(set(groups)) < 2:
        raise SourceError(f"{rows.origin}: leaving one group out needs two, found {set(groups)}.")
    numbers = np.unique(names, return_inverse=True)[1].astype(np.int64)
    parts = [np.arange(len(names))]
    if cross_clusters:
        cut = split_keeping(rows.emotion, rows.cluster, cross_clusters, seed)
        parts = [test for _, test in cut]
    plans = []
    for name in sorted(set(groups)):
        folds, notes = _group_folds(rows, names == name, parts)
        plans.append(
            FoldPlan(
                split="leave-one-group-out", folds=folds, group=name, blocks=numbers, notes=notes
            )
        )
    return plans


def _group_folds(
    rows: Rows, left_out: npt.NDArray[np.bool_], parts: list[Index]
) -> tuple[tuple[Fold, ...], tuple[str, ...]]:
    folds: list[Fold] = []
    copies, unseen = 0, set[str]()
    for part in parts:
        test = part[left_out[part]]
        if not len(test):
            continue
        other = np.flatnonzero(~left_out)
        is_copy = np.isin(other, part) if len(parts) > 1 else np.zeros(len(other), dtype=bool)
        is_copy |= np.isin(rows.cluster[other], rows.cluster[test])
        train = other[~is_copy]
        copies += int(is_copy.sum())
        unseen |= set(rows.emotion[test].tolist()) - set(rows.emotion[train].tolist())
        folds.append(Fold(train=train, valid=train[:0], test=test))
    notes = [f"{copies} training rows left out as copies of test rows"] if copies else []
    if unseen:
        notes.append(f"no training rows of {', '.join(sorted(unseen))}: always wrong there")
    return tuple(folds), tuple(notes)
