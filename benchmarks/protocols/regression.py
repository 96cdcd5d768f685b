"""Probes for tasks whose answers are several numbers: several labels, shares, scales.

scikit-learn on standardised features: one logistic regression per label, one with shares as
weights (each row stands there once per label, weighted by its share), or ridge regression.

Shapes: A training rows, M asked rows, D feature width, K outputs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.features.backbones import Features
from benchmarks.problem.folds import Index
from benchmarks.protocols.base import Prob, Problem, few_threads, inner_folds
from benchmarks.results import number_metrics

Asked = Callable[[Features], Prob]  # (M, D) -> (M, K)
# Whether more of the main metric is better.
RISES = {"multi_label": True, "distribution": False, "regression": False}


def fit(problem: Problem, rows: Index, l2: float, max_iterations: int) -> Asked:
    """A probe trained on `rows` with strength `l2` per training row."""
    learn, wanted = problem.features[rows], problem.wanted[rows]
    mean, std = learn.mean(axis=0), learn.std(axis=0)
    std[std < 1e-6] = 1.0

    def scale(features: Features) -> Features:
        return ((features - mean) / std).astype(np.float32)

    with few_threads(learn), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # early stops, and labels that no training row has
        predict = _FITS[problem.task](scale(learn), wanted, l2, max_iterations)
    return lambda features: predict(scale(features))


def search(
    problem: Problem, strengths: tuple[float, ...], folds: int, max_iterations: int
) -> tuple[float, tuple[str, ...]]:
    """The strength with the best main metric over inner folds; the stronger one of equals."""
    pairs = inner_folds(problem, folds)
    if not pairs:
        middle = strengths[len(strengths) // 2]
        return middle, (f"too few training rows to search L2: {middle} taken",)
    found = np.zeros(len(strengths))
    for learn, choose in pairs:
        for i, l2 in enumerate(strengths):
            asked = fit(problem, learn, l2, max_iterations)
            found[i] += goodness(problem, choose, asked(problem.features[choose]))
    return strengths[int(np.argmax(found))], ()


def goodness(problem: Problem, rows: Index, said: Prob) -> float:
    """The task's main metric, signed so that more is better; answers that are no numbers lose."""
    if not np.isfinite(said).all():
        return -np.inf
    measured = number_metrics.main(problem.task, problem.wanted[rows], said)
    if not np.isfinite(measured):
        return 0.0
    return measured if RISES[problem.task] else -measured


def _several(learn: Features, wanted: Prob, l2: float, max_iterations: int) -> Asked:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    model = OneVsRestClassifier(
        LogisticRegression(C=1 / (l2 * len(learn)), max_iter=max_iterations)
    )
    model.fit(learn, (wanted > 0.5).astype(np.int64))
    return lambda features: np.asarray(model.predict_proba(features), dtype=np.float64)


def _shares(learn: Features, wanted: Prob, l2: float, max_iterations: int) -> Asked:
    from sklearn.linear_model import LogisticRegression

    row, label = np.nonzero(wanted > 0)
    outputs = wanted.shape[1]
    if len(np.unique(label)) < 2:
        only = wanted.mean(axis=0)
        return lambda features: np.tile(only, (len(features), 1))
    model = LogisticRegression(C=1 / (l2 * len(learn)), max_iter=max_iterations)
    model.fit(learn[row], label, sample_weight=wanted[row, label])

    def predict(features: Features) -> Prob:
        full = np.zeros((len(features), outputs))
        full[:, model.classes_] = model.predict_proba(features)
        return full

    return predict


def _scales(learn: Features, wanted: Prob, l2: float, max_iterations: int) -> Asked:
    from sklearn.linear_model import Ridge

    model: Any = Ridge(alpha=l2 * len(learn)).fit(learn, wanted)
    return lambda features: np.asarray(model.predict(features), dtype=np.float64).reshape(
        len(features), -1
    )


_FITS: dict[str, Callable[[Features, Prob, float, int], Asked]] = {
    "multi_label": _several,
    "distribution": _shares,
    "regression": _scales,
}
