"""Metrics of the tasks whose answers are several numbers, with bootstrap intervals over rows.

multi_label: mean average precision over the labels that occur, scikit-learn's
`average_precision_score` on scores (the official MATLAB routine of EMOTIC differs a little; a
label without positives is left out, where torchmetrics counts it as 0).
distribution: the six measures of Geng (2016), "Label distribution learning", IEEE TKDE 28(7),
table 2, and the Jensen-Shannon divergence, with natural logarithms; EPSILON is added to both sides
of logarithms only, and a term 0 / 0 is 0. `clark_scaled` and `canberra_scaled` are divided by
sqrt(K) and K, as the tables of the emotion papers have them (Yang, She and Sun 2017, "Joint image
emotion classification and distribution learning via deep convolutional neural network", IJCAI).
regression: mean absolute error, root mean squared error, R2 and Pearson's r per scale and on
average, on the dataset's own scale; R2 is not defined where the truth is constant, r where either
side is, and the mean is over the scales where it is.

A number that is not defined is null in the result.

Shapes: R repeats, M test rows, K outputs, B resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.problem.folds import FoldPlan, Index
from emo8.core.stats import interval95

Array = npt.NDArray[np.float64]
EPSILON = 1e-7  # added to both sides of a logarithm
_CONSTANT = 1e-12  # a spread below it is no spread
RESAMPLES = 300  # an average precision per label and resample is dear
MAIN = {"multi_label": "mAP", "distribution": "kl", "regression": "rmse"}


def score(
    task: str, values: Array, test: Index, prob: Array, plan: FoldPlan, names: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, float | None]]:
    """Metrics, intervals and per-output numbers of (R, M, K), and those of a constant guess.

    The constant guess is the mean of the training rows (of the scored ones where nothing is
    learnt): what a model that never looks would say.
    """
    true = values[test]
    each = _EACH[task]
    constant = np.concatenate(
        [
            np.tile(values[f.train if len(f.train) else f.test].mean(axis=0), (len(f.test), 1))
            for f in plan.folds
        ]
    )
    main = MAIN[task]
    scores = {
        **_with_intervals(task, true, prob),
        "per_output": dict(zip(names, _mean_lists([each(true, p) for p in prob]), strict=True)),
        "support": _support(task, true, names),
    }
    return scores, {"constant": _rounded(measure(task, true, constant)[main])}


def measure(task: str, true: Array, prob: Array) -> dict[str, float]:
    """The metrics of a task for outputs (M, K); NaN where one is not defined."""
    return _MEASURES[task](true, prob)


def measured(task: str, true: Array, prob: Array) -> dict[str, Any]:
    """`metrics` and `interval95` of outputs (M, K), as JSON values."""
    return _with_intervals(task, true, prob[None])


def _with_intervals(task: str, true: Array, prob: Array) -> dict[str, Any]:
    found = _mean([measure(task, true, p) for p in prob])
    rng = np.random.default_rng([95, len(true)])
    draws = [rng.integers(0, len(true), len(true)) for _ in range(RESAMPLES)]
    spread = [measure(task, true[rows], prob[i % len(prob)][rows]) for i, rows in enumerate(draws)]
    return {
        "metrics": {name: _rounded(value) for name, value in found.items()},
        "interval95": {
            name: tuple(_rounded(end) for end in interval95([s[name] for s in spread]))
            for name in found
        },
    }


def _rounded(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def main(task: str, true: Array, prob: Array) -> float:
    """The metric that the task is searched and ranked by."""
    return _MEASURES[task](true, prob)[MAIN[task]]


def _support(task: str, true: Array, names: tuple[str, ...]) -> dict[str, int]:
    if task == "regression":
        return dict.fromkeys(names, len(true))
    counts = true.sum(axis=0) if task == "multi_label" else np.eye(true.shape[1])[true.argmax(1)]
    counts = counts if counts.ndim == 1 else counts.sum(axis=0)
    return {name: int(count) for name, count in zip(names, counts, strict=True)}


def average_precisions(true: Array, prob: Array) -> Array:
    """(K,) average precision of each label; NaN where no row has it."""
    from sklearn.metrics import average_precision_score

    occurs = true.sum(axis=0) > 0
    found = np.full(true.shape[1], np.nan)
    if occurs.any():
        found[occurs] = average_precision_score(true[:, occurs], prob[:, occurs], average=None)
    return found


def _multi_label(true: Array, prob: Array) -> dict[str, float]:
    return {"mAP": _mean_of_known(average_precisions(true, prob))}


def _mean_of_known(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _distribution(true: Array, prob: Array) -> dict[str, float]:
    p, q = _shares(true), _shares(np.maximum(prob, 0))
    gap, total = np.abs(p - q), p + q
    relative = np.divide(gap, total, out=np.zeros_like(gap), where=total > 0)
    length = np.linalg.norm(p, axis=1) * np.linalg.norm(q, axis=1)
    clark, canberra = np.sqrt((relative**2).sum(axis=1)), relative.sum(axis=1)
    found = {
        "kl": _kl(p, q),
        "jensen_shannon": (_kl(p, (p + q) / 2) + _kl(q, (p + q) / 2)) / 2,
        "chebyshev": gap.max(axis=1),
        "clark": clark,
        "canberra": canberra,
        "cosine": (p * q).sum(axis=1) / length,
        "intersection": np.minimum(p, q).sum(axis=1),
        "top1": (p.argmax(axis=1) == q.argmax(axis=1)).astype(np.float64),
        "clark_scaled": clark / np.sqrt(p.shape[1]),
        "canberra_scaled": canberra / p.shape[1],
    }
    return {name: float(value.mean()) for name, value in found.items()}


def _shares(values: Array) -> Array:
    """Rows (M, K) that sum to one; a row without anything is even."""
    total = values.sum(axis=1, keepdims=True)
    even = np.full_like(values, 1 / values.shape[1])
    return np.divide(values, total, out=even, where=total > 0)


def _kl(p: Array, q: Array) -> Array:
    """(M,) Kullback-Leibler divergence of q from p."""
    found: Array = (p * np.log((p + EPSILON) / (q + EPSILON))).sum(axis=1)
    return found


def _regression(true: Array, prob: Array) -> dict[str, float]:
    gap = prob - true
    variance = true.var(axis=0)
    unexplained = (gap**2).mean(axis=0)
    r2 = 1 - np.divide(unexplained, variance, out=_unknown(variance), where=variance > _CONSTANT)
    spread = true.std(axis=0) * prob.std(axis=0)
    shared = ((true - true.mean(axis=0)) * (prob - prob.mean(axis=0))).mean(axis=0)
    pearson = np.divide(shared, spread, out=_unknown(spread), where=spread > _CONSTANT)
    return {
        "mae": float(np.abs(gap).mean()),
        "rmse": float(np.sqrt(unexplained).mean()),
        "r2": _mean_of_known(r2),
        "pearson": _mean_of_known(pearson),
    }


def _unknown(like: Array) -> Array:
    return np.full_like(like, np.nan)


def _each_share(true: Array, prob: Array) -> Array:
    return np.abs(true - prob).mean(axis=0)


def _each_scale(true: Array, prob: Array) -> Array:
    return np.sqrt(((prob - true) ** 2).mean(axis=0))


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([f[name] for f in found])) for name in found[0]}


def _mean_lists(found: list[Array]) -> list[float | None]:
    means = np.mean(found, axis=0)
    return [None if np.isnan(v) else round(float(v), 6) for v in means]


_MEASURES: dict[str, Callable[[Array, Array], dict[str, float]]] = {
    "multi_label": _multi_label,
    "distribution": _distribution,
    "regression": _regression,
}
_EACH: dict[str, Callable[[Array, Array], Array]] = {
    "multi_label": average_precisions,
    "distribution": _each_share,
    "regression": _each_scale,
}
