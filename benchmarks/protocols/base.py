"""What a protocol gets and gives, and what several protocols share.

Shapes: N counted rows, D feature width, K emotions, M test rows, R repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.features.backbones import Backbone, Features
from benchmarks.problem.folds import Index, split_keeping

if TYPE_CHECKING:
    from benchmarks.features.pictures import Pictures

# Below this many numbers, threads of a matrix product wait for each other longer than they work
# (on two busy cores 700 x 768 took 40 times as long with two threads as with one).
THREADS_FROM_ELEMENTS = 8_000_000
Prob = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One fold: frozen features of all rows, and which of them teach and which test."""

    features: Features  # (N, D)
    target: Index  # (N,) index into emotions
    emotions: tuple[str, ...]  # K names
    train: Index
    valid: Index  # rows the dataset sets aside for choosing settings; empty = inner folds
    test: Index  # (M,)
    blocks: Index  # (N,) rows with equal numbers stay together in inner folds
    seed: int
    backbone: Backbone
    task: str = "single"
    # (N, K) what is claimed, for tasks without one label per row; `target` is then a stratum
    values: Prob | None = None
    pictures: Pictures | None = None  # for protocols that look at more than `features`
    save: Path | None = None  # where finetune keeps its classifier

    @property
    def wanted(self) -> Prob:
        """(N, K) numbers to learn: `values`, or one at the row's own label."""
        if self.values is not None:
            return self.values
        return np.eye(len(self.emotions))[np.maximum(self.target, 0)]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Probabilities for the test rows, once per repeat, and what was chosen on the way."""

    prob: Prob  # (R, M, K)
    chosen: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def require_positive(settings: Any, *, or_zero: Sequence[str] = ()) -> None:
    """Nothing, where every number of `settings` is above 0 (or 0, if named); ValueError else."""
    for one in fields(settings):
        value = getattr(settings, one.name)
        for number in value if isinstance(value, tuple) else (value,):
            if not isinstance(number, int | float) or isinstance(number, bool):
                continue
            if not np.isfinite(number) or number < 0 or (number == 0 and one.name not in or_zero):
                least = "at least 0" if one.name in or_zero else "above 0"
                raise ValueError(f"{one.name}={number}: must be {least}")


def inner_folds(problem: Problem, num_folds: int) -> list[tuple[Index, Index]]:
    """(learn, choose) pairs of row numbers inside the training rows; test rows are never seen."""
    if len(problem.valid):
        return [(problem.train, problem.valid)]
    target, blocks = problem.target[problem.train], problem.blocks[problem.train]
    num_folds = min(num_folds, len(np.unique(blocks)), int(np.bincount(target).max()))
    if num_folds < 2:
        return []
    pairs = split_keeping(target, blocks, num_folds, problem.seed)
    return [
        (problem.train[learn], problem.train[choose])
        for learn, choose in pairs
        if len(np.unique(target[learn])) > 1 or problem.values is not None
    ]


def few_threads(features: Features) -> Any:
    """A context in which matrix products of small features run on one thread."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1 if features.size < THREADS_FROM_ELEMENTS else None)


def spread(prob: Prob, classes: Sequence[int], num_emotions: int) -> Prob:
    """(M, K) probabilities from (M, C) over the C emotions that were learnt; others get zero."""
    full = np.zeros((len(prob), num_emotions), dtype=np.float64)
    full[:, list(classes)] = prob
    return full


def unit(features: Features) -> Features:
    """Rows of (N, D) at length one; a row of zeros stays."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    found: Features = features / np.maximum(length, 1e-12)
    return found
