"""Which rows of a dataset count for a run, and why the others do not."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.adapters.base import LabelledRows
from benchmarks.features import features
from benchmarks.features.features import Progress
from benchmarks.problem import folds
from benchmarks.problem.folds import Index
from benchmarks.problem.tasks import CLASS_TASKS, Targets
from emo8.core.errors import SourceError
from emo8.dataset.open import COUNTED_RULES


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The rows that count, in order."""

    index: list[int]  # row numbers in the dataset
    digests: list[str]  # of the picture bytes
    left_out: dict[str, int]  # reason -> rows
    sha256: str  # of the pictures, their labels, splits, clusters and boxes


def count(
    rows: LabelledRows,
    targets: Targets,
    *,
    labels: str,
    group: str | None,
    cluster: str | None,
    progress: Progress | None = None,
) -> Counted:
    """The rows whose label is a person's or a source's claim (all labels if asked)."""
    groups = rows.require(group, "--group") if group else None
    if cluster:
        rows.require(cluster, "--cluster")
    index: list[int] = []
    left_out: Counter[str] = Counter()
    for row, (stratum, rule) in enumerate(zip(targets.strata, rows.rule, strict=True)):
        if stratum is None:
            left_out["no emotion" if targets.task == "single" else f"no {targets.task} label"] += 1
        elif labels != "all" and rule not in COUNTED_RULES:
            left_out[f"emotion_rule {rule}"] += 1
        elif groups is not None and groups[row] is None:
            left_out[f"no {group}"] += 1
        else:
            index.append(row)
    _require_enough(rows, targets, index, left_out)
    digests = features.digests(rows, index, progress)
    sha256 = _data_hash(rows, targets, index, digests, cluster)
    return Counted(
        index=index, digests=digests, left_out=dict(sorted(left_out.items())), sha256=sha256
    )


def _require_enough(
    rows: LabelledRows, targets: Targets, index: list[int], left_out: Counter[str]
) -> None:
    kinds = len({targets.strata[row] for row in index})
    if kinds >= (2 if targets.task in CLASS_TASKS else 1):
        return
    why = "".join(f"; left out: {n} x {reason}" for reason, n in left_out.items())
    names = ", ".join(sorted({targets.strata[row] for row in index})) or "none"
    raise SourceError(
        f"{rows.origin}: {len(index)} of {len(rows)} rows count, and at least two emotions are "
        f"needed (found: {names}{why}). Labels must come from a person or a source; --labels all "
        "counts the rest."
    )


def _data_hash(
    rows: LabelledRows,
    targets: Targets,
    index: list[int],
    digests: list[str],
    cluster: str | None,
) -> str:
    column = cluster_column(cluster, rows)
    clusters = rows.column(column) if column else [None] * len(rows)
    boxes = rows.boxes or [None] * len(rows)
    lines = []
    for digest, row in zip(digests, index, strict=True):
        line = f"{digest} {targets.strata[row]} {rows.split[row]} {clusters[row]}"
        if targets.values is not None:
            line += " " + " ".join(f"{v:.6g}" for v in targets.values[row])
        if boxes[row] is not None:
            line += f" {boxes[row]}"
        lines.append(line)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def cluster_column(cluster: str | None, rows: LabelledRows) -> str | None:
    """The column whose equal values never train and test together."""
    return cluster or ("cluster" if "cluster" in rows.column_names else None)


def fold_rows(
    rows: LabelledRows,
    targets: Targets,
    cluster: str | None,
    index: Sequence[int],
    digests: Sequence[str],
) -> folds.Rows:
    """The rows at `index` as `folds` needs them."""
    column = cluster_column(cluster, rows)
    clusters = take(rows.column(column), index) if column else [None] * len(index)
    return folds.Rows(
        emotion=np.array(take(targets.strata, index), dtype=np.str_),
        split=np.array([split or "" for split in take(rows.split, index)], dtype=np.str_),
        cluster=folds.numbered(clusters, digests),
        origin=rows.origin,
        has_classes=targets.task in CLASS_TASKS,
    )


def row_ids(rows: LabelledRows, index: Sequence[int], digests: Sequence[str]) -> list[str]:
    """The dataset's own ids of the rows, the SHA-256 of their bytes where it has none."""
    own = rows.column("id") if "id" in rows.column_names else [None] * len(rows)
    return [own[row] or digest for row, digest in zip(index, digests, strict=True)]


def take(values: Sequence[str | None], index: Sequence[int] | Index) -> list[str | None]:
    """The values at the given rows."""
    return [values[row] for row in index]
