"""Metrics of the tasks whose answers are several numbers, with bootstrap intervals over rows.

multi_label: mean average precision over the labels that occur, scikit-learn's
`average_precision_score` on scores (the official MATLAB routine of EMOTIC differs a little).
distribution: the six measures of Geng (2016), "Label distribution learning", IEEE TKDE, table 2,
with the Jensen-Shannon divergence, natural logarithms, and EPSILON added before logarithms.
regression: mean absolute error, root mean squared error, R2 and Pearson's r per scale and on
average, on the dataset's own scale.

Shapes: R repeats, M test rows, K outputs, B resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.problem.folds import FoldPlan, Index

Array = npt.NDArray[np.float64]
EPSILON = 1e-7
RESAMPLES = 300  # an average precision per label and resample is dear
MAIN = {"multi_label": "mAP", "distribution": "kl", "regression": "rmse"}


def score(
    task: str, values: Array, test: Index, prob: Array, plan: FoldPlan, names: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, float]]:
    """Metrics, intervals and per-output numbers of (R, M, K), and those of a constant guess.

    The constant guess is the mean of the training rows (of the scored ones where nothing is
    learnt): what a model that never looks would say.
    """
    true = values[test]
    measure, each = _MEASURES[task], _EACH[task]
    found = _mean([measure(true, p) for p in prob])
    rng = np.random.default_rng([95, len(test)])
    draws = [rng.integers(0, len(true), len(true)) for _ in range(RESAMPLES)]
    spread = [measure(true[rows], prob[i % len(prob)][rows]) for i, rows in enumerate(draws)]
    constant = np.concatenate(
        [
            np.tile(values[f.train if len(f.train) else f.test].mean(axis=0), (len(f.test), 1))
            for f in plan.folds
        ]
    )
    main = MAIN[task]
    scores = {
        "metrics": {name: round(value, 6) for name, value in found.items()},
        "interval95": {
            name: tuple(
                round(float(v), 6)
                for v in np.nanquantile([s[name] for s in spread], (0.025, 0.975))
            )
            for name in found
        },
        "per_output": dict(zip(names, _mean_lists([each(true, p) for p in prob]), strict=True)),
        "support": _support(task, true, names),
    }
    return scores, {"constant": round(measure(true, constant)[main], 6)}


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
    return {"mAP": float(np.nanmean(average_precisions(true, prob)))}


def _distribution(true: Array, prob: Array) -> dict[str, float]:
    p, q = true + EPSILON, np.maximum(prob, 0) + EPSILON
    p, q = p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
    middle = (p + q) / 2
    gap, total = np.abs(p - q), p + q
    js = ((p * np.log(p / middle)).sum(axis=1) + (q * np.log(q / middle)).sum(axis=1)) / 2
    cosine = (p * q).sum(axis=1) / (np.linalg.norm(p, axis=1) * np.linalg.norm(q, axis=1))
    found = {
        "kl": (p * np.log(p / q)).sum(axis=1),
        "jensen_shannon": js,
        "chebyshev": gap.max(axis=1),
        "clark": np.sqrt(((gap / total) ** 2).sum(axis=1)),
        "canberra": (gap / total).sum(axis=1),
        "cosine": cosine,
        "intersection": np.minimum(p, q).sum(axis=1),
        "top1": (p.argmax(axis=1) == q.argmax(axis=1)).astype(np.float64),
    }
    return {name: float(value.mean()) for name, value in found.items()}


def _regression(true: Array, prob: Array) -> dict[str, float]:
    from sklearn.metrics import r2_score

    gap = prob - true
    spread = np.maximum(true.std(axis=0) * prob.std(axis=0), 1e-12)
    with_mean = (true - true.mean(axis=0)) * (prob - prob.mean(axis=0))
    return {
        "mae": float(np.abs(gap).mean()),
        "rmse": float(np.sqrt((gap**2).mean(axis=0)).mean()),
        "r2": float(r2_score(true, prob)) if len(true) > 1 else float("nan"),
        "pearson": float((with_mean.mean(axis=0) / spread).mean()),
    }


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
