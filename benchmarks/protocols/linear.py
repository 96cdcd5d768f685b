"""Linear probe: logistic regression on standardised features, strength of L2 searched inside.

The strength `l2` is per training row: scikit-learn's C = 1 / (l2 * rows), so that one grid serves
inner folds and the final fit. The search runs from strong to weak and starts each fit from the
last one; it looks at training rows only (or at the validation rows a dataset sets aside).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.features.backbones import Features
from benchmarks.problem.folds import Index
from benchmarks.protocols import regression
from benchmarks.protocols.base import (
    Prediction,
    Problem,
    few_threads,
    inner_folds,
    require_positive,
    spread,
)

LEARNS = True


@dataclass(frozen=True, kw_only=True)
class Settings:
    l2: tuple[float, ...] = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4)  # strong to weak
    inner_folds: int = 4  # folds of the training rows for the search
    one_fold_above_rows: int = 20_000  # with more training rows than this one inner fold is enough
    max_iterations: int = 500

    def __post_init__(self) -> None:
        require_positive(self)


def predict(problem: Problem, settings: Settings) -> Prediction:
    """Probabilities from the probe with the searched strength, fitted on all training rows."""
    if problem.values is not None:
        most = settings.max_iterations
        l2, notes = regression.search(problem, settings.l2, settings.inner_folds, most)
        asked = regression.fit(problem, problem.train, l2, most)
        said = asked(problem.features[problem.test])
        return Prediction(prob=said[None], chosen={"l2": l2}, notes=notes)
    with few_threads(problem.features):
        l2, notes = _search(problem, settings)
        model, scale = _fit_path(problem, problem.train, (l2,), settings)[0]
    prob = model.predict_proba(scale(problem.features[problem.test])).astype(np.float64)
    full = spread(prob, model.classes_, len(problem.emotions))
    return Prediction(prob=full[None], chosen={"l2": l2}, notes=notes)


def _search(problem: Problem, settings: Settings) -> tuple[float, tuple[str, ...]]:
    """The strength with the best mean accuracy over inner folds; the stronger one of equals."""
    pairs = inner_folds(problem, settings.inner_folds)
    if len(problem.train) > settings.one_fold_above_rows:
        pairs = pairs[:1]
    if not pairs:
        middle = settings.l2[len(settings.l2) // 2]
        return middle, (f"too few training rows to search L2: {middle} taken",)
    right = np.zeros(len(settings.l2))
    for learn, choose in pairs:
        for i, (model, scale) in enumerate(_fit_path(problem, learn, settings.l2, settings)):
            found = model.predict(scale(problem.features[choose]))
            right[i] += float((found == problem.target[choose]).mean())
    return settings.l2[int(np.argmax(right))], ()


def _fit_path(
    problem: Problem, rows: Index, strengths: tuple[float, ...], settings: Settings
) -> list[tuple[Any, Any]]:
    """(model, scaling) per strength, each fit started from the one before."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    learn = problem.features[rows]
    mean, std = learn.mean(axis=0), learn.std(axis=0)
    std[std < 1e-6] = 1.0

    def scale(features: Features) -> Features:
        return ((features - mean) / std).astype(np.float32)

    scaled, target = scale(learn), problem.target[rows]
    found: list[tuple[Any, Any]] = []
    start: tuple[Any, Any, Any] | None = None
    for l2 in strengths:
        model = LogisticRegression(
            C=1 / (l2 * len(rows)), max_iter=settings.max_iterations, warm_start=True
        )
        if start is not None:
            model.coef_, model.intercept_, model.classes_ = start
        with (
            few_threads(scaled),
            warnings.catch_warnings(),
        ):  # a weak L2 that stops early is stopped early on purpose
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(scaled, target)
        start = (model.coef_.copy(), model.intercept_.copy(), model.classes_)
        found.append((model, scale))
    return found
