"""Numbers of one result: scikit-learn's metrics, calibration, and bootstrap intervals.

Where a number could be counted in two ways:

- accuracy: of equal probabilities the first name in order is the answer, as numpy's argmax;
- top3: scikit-learn's `top_k_accuracy_score`; of equal probabilities, zeros included, the last
  names in order fill the three places, so that ties are never all right;
- an emotion that no test row has is left out of macro F1, balanced accuracy and recall (an answer
  of it is wrong); one that is never answered has F1 and recall 0;
- a confidence on the edge of a bin lies in the bin above it, 1 in the last (`stats.bins_of`).

Shapes: R repeats (draws of few_shot; else 1), M test rows, K emotions, B resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emo8.core.stats import RESAMPLES, bins_of, calibration_error, interval95

Counts = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What is reported about predictions; means over the repeats where there are several."""

    metrics: dict[str, float]  # accuracy, macro_f1, balanced_accuracy, ece
    interval95: dict[str, tuple[float, float]]  # accuracy, macro_f1, ece
    recall: dict[str, float]  # per emotion that occurs
    support: dict[str, int]  # test rows per emotion
    confusion: list[list[int]]  # rows = true, columns = predicted; summed over repeats


def score(
    true: npt.NDArray[np.int64],
    prob: npt.NDArray[np.float64],
    emotions: tuple[str, ...],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Scores:
    """Scores of probabilities (R, M, K) for true emotions (M,), given as indices.

    Macro F1, balanced accuracy and recall are over the emotions that occur among the test rows.
    """
    from sklearn.metrics import confusion_matrix

    labels = np.arange(len(emotions))
    tables = np.stack([confusion_matrix(true, p.argmax(axis=1), labels=labels) for p in prob])
    each = [_metrics(true, p) for p in prob]
    support = tables[0].sum(axis=1)
    recall = tables.diagonal(axis1=1, axis2=2).mean(axis=0) / np.maximum(support, 1)
    present = [i for i in labels if support[i]]
    return Scores(
        metrics={name: round(float(np.mean([e[name] for e in each])), 6) for name in each[0]},
        interval95={
            name: (round(low, 6), round(high, 6))
            for name, (low, high) in _intervals(true, prob, tables, seed, resamples).items()
        },
        recall={emotions[i]: round(float(recall[i]), 6) for i in present},
        support={emotions[i]: int(support[i]) for i in present},
        confusion=tables.sum(axis=0).tolist(),
    )


def _metrics(true: npt.NDArray[np.int64], prob: npt.NDArray[np.float64]) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, f1_score, recall_score, top_k_accuracy_score

    found, present = prob.argmax(axis=1), np.unique(true)
    over = {"labels": present, "average": "macro", "zero_division": 0}
    more = {}
    if prob.shape[1] > 3:
        names = np.arange(prob.shape[1])
        more["top3"] = float(top_k_accuracy_score(true, prob, k=3, labels=names))
    return {
        "accuracy": accuracy_score(true, found),
        "macro_f1": f1_score(true, found, **over),
        "balanced_accuracy": recall_score(true, found, **over),
        "ece": expected_calibration_error(true, prob),
        **more,
    }


def expected_calibration_error(true: npt.NDArray[np.int64], prob: Array) -> float:
    """The calibration error of the likeliest emotion, probabilities (M, K)."""
    return calibration_error(prob.max(axis=1), prob.argmax(axis=1) == true)


def _intervals(
    true: npt.NDArray[np.int64], prob: Array, tables: Counts, seed: int, resamples: int
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap over test rows (Efron 1979), and over repeats where there are several.

    Drawing M rows with replacement is drawing the K x K counts of the confusion matrix from a
    multinomial, so no row is touched. Copies among the rows make the true interval wider. With
    several repeats each resample takes one of them: the interval is that of a single draw.
    """
    rng = np.random.default_rng([seed, 95])
    num_repeats, num_emotions, _ = tables.shape
    total = int(tables[0].sum())
    shares = np.bincount(rng.integers(num_repeats, size=resamples), minlength=num_repeats)
    drawn = [
        rng.multinomial(total, table.ravel() / total, size=share)
        for table, share in zip(tables, shares, strict=True)
    ]
    counts = np.concatenate(drawn).reshape(resamples, num_emotions, num_emotions)
    errors = [_ece_draws(true, p, int(n), rng) for p, n in zip(prob, shares, strict=True)]
    return {
        "accuracy": interval95(accuracies(counts)),
        "macro_f1": interval95(macro_f1s(counts)),
        "ece": interval95(np.concatenate(errors)),
    }


def _ece_draws(
    true: npt.NDArray[np.int64], prob: Array, resamples: int, rng: np.random.Generator
) -> Array:
    """(B,) calibration errors of rows drawn with replacement, from their sums per bin."""
    sure = prob.max(axis=1)
    which, gap = bins_of(sure), (prob.argmax(axis=1) == true) - sure
    draws = (rng.integers(0, len(true), len(true)) for _ in range(resamples))
    return np.array([np.abs(np.bincount(which[d], gap[d])).sum() / len(true) for d in draws])


def accuracies(tables: Counts) -> npt.NDArray[np.float64]:
    """(B,) share on the diagonal of confusion matrices (B, K, K)."""
    right: npt.NDArray[np.float64] = tables.trace(axis1=1, axis2=2) / tables.sum(axis=(1, 2))
    return right


def macro_f1s(tables: Counts) -> npt.NDArray[np.float64]:
    """(B,) mean F1 over the emotions that occur in each of (B, K, K) confusion matrices."""
    right = tables.diagonal(axis1=1, axis2=2)
    true, found = tables.sum(axis=2), tables.sum(axis=1)
    f1 = 2 * right / np.maximum(true + found, 1)
    occurs = true > 0
    mean: npt.NDArray[np.float64] = (f1 * occurs).sum(axis=1) / occurs.sum(axis=1)
    return mean
