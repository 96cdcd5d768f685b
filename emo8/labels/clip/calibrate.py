"""How sure a zero-shot claim really is: temperature, class offsets, reliability, abstention.

Shapes: N rows, K names. A calibration maps a distribution p to softmax(log p / T + b).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emo8.core.stats import bins_of, calibration_error

FLOOR = 1e-9  # the least probability a logarithm is taken of
MIN_ACCEPTED = 20  # rows an accuracy must rest on before it may set a threshold


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Temperature and one offset per name; the defaults change nothing."""

    temperature: float = 1.0
    offsets: tuple[float, ...] = ()

    def apply(self, prob: np.ndarray) -> np.ndarray:
        """Calibrated distributions (N, K) float64 of distributions (N, K)."""
        logits = np.log(np.maximum(prob.astype(np.float64), FLOOR)) / self.temperature
        return softmax(logits + (np.asarray(self.offsets) if self.offsets else 0.0))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Distributions over the last axis."""
    exponent = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=-1, keepdims=True))


def fit(prob: np.ndarray, truth: np.ndarray) -> Calibration:
    """The calibration that makes `truth` (N,) most likely under `prob` (N, K).

    Temperature: Guo et al. (2017), "On calibration of modern neural networks". Offsets, which
    carry the class priors: Alexandari et al. (2020), "Maximum likelihood with bias-corrected
    calibration is hard-to-beat at label shift adaptation". A weak pull towards no change (worth
    one row per name) keeps names that were never seen where they are.
    """
    from scipy.optimize import minimize

    n, num_names = prob.shape
    log_prob = np.log(np.maximum(prob.astype(np.float64), FLOOR))
    hit = np.eye(num_names)[truth]

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        inverse, offsets = np.exp(-x[0]), x[1:]
        logits = inverse * log_prob + offsets
        found = softmax(logits)
        top = logits.max(axis=1)
        log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        value = (log_sum - (logits * hit).sum(axis=1)).sum() + 0.5 * (x**2).sum()
        error = found - hit
        slope = -inverse * (error * log_prob).sum()
        gradient = np.concatenate([[slope], error.sum(axis=0)]) + x
        return value / n, gradient / n

    bounds = [(-4.0, 4.0), *[(-8.0, 8.0)] * num_names]
    best = minimize(loss, np.zeros(num_names + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    offsets = best.x[1:] - best.x[1:].mean()  # a common offset changes nothing
    return Calibration(
        temperature=round(float(np.exp(best.x[0])), 6),
        offsets=tuple(round(float(value), 6) for value in offsets),
    )


def cross_fitted(
    prob: np.ndarray, truth: np.ndarray, groups: np.ndarray, *, folds: int = 5, seed: int = 0
) -> np.ndarray:
    """Calibrated distributions (N, K), each row by a fit that saw no row of its own group.

    `groups` (N,) holds equal values for near copies, which would otherwise vouch for each other.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    out = np.empty(prob.shape, np.float64)
    num_folds = min(folds, len(np.unique(groups)))
    if num_folds < 2:
        raise ValueError("cross-validation needs rows of at least two groups")
    splitter = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed)
    for seen, held_out in splitter.split(prob, _coarse(truth, num_folds), groups):
        out[held_out] = fit(prob[seen], truth[seen]).apply(prob[held_out])
    return out


def _coarse(truth: np.ndarray, folds: int) -> np.ndarray:
    """`truth` with names rarer than `folds` put together, so that no fold lacks one by force."""
    counts = np.bincount(truth)
    return np.where(counts[truth] >= folds, truth, -1)


def ece(prob: np.ndarray, truth: np.ndarray, *, bins: int = 15) -> float:
    """Expected calibration error of the top name in equal-width bins, as in Guo et al. (2017)."""
    return calibration_error(prob.max(axis=1), prob.argmax(axis=1) == truth, bins)


def reliability(prob: np.ndarray, truth: np.ndarray, *, bins: int = 15) -> list[dict[str, Any]]:
    """Per bin of confidence that holds rows: n, mean confidence and accuracy of the top name."""
    top, right = prob.max(axis=1), prob.argmax(axis=1) == truth
    place = bins_of(top, bins)
    table = []
    for number in np.unique(place):
        rows = place == number
        table.append(
            {
                "low": number / bins,
                "high": (number + 1) / bins,
                "n": int(rows.sum()),
                "confidence": float(top[rows].mean()),
                "accuracy": float(right[rows].mean()),
            }
        )
    return table


def coverage_curve(prob: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """`threshold`, `coverage` and `accuracy` when only rows at least that sure are accepted.

    One point per distinct confidence, from the surest row to all rows.
    """
    top, right = prob.max(axis=1), prob.argmax(axis=1) == truth
    order = np.argsort(-top, kind="stable")
    count = np.arange(1, len(top) + 1)
    last = np.append(np.diff(top[order]) != 0, True)  # rows equally sure come in together
    return {
        "threshold": top[order][last],
        "coverage": (count / len(top))[last],
        "accuracy": (np.cumsum(right[order]) / count)[last],
    }


def accuracy_at(prob: np.ndarray, truth: np.ndarray, coverage: float) -> float:
    """Accuracy over the surest `coverage` of the rows."""
    curve = coverage_curve(prob, truth)
    place = int(np.searchsorted(curve["coverage"], coverage - 1e-12))
    return float(curve["accuracy"][min(place, len(curve["accuracy"]) - 1)])


def threshold_for_risk(curve: dict[str, Any], n: int, max_risk: float) -> float:
    """The least confidence above which at most `max_risk` of the accepted rows were wrong.

    Accuracies over fewer than MIN_ACCEPTED rows count for nothing. Infinity when no threshold
    reaches the risk: then nothing is accepted.
    """
    coverage, accuracy = np.asarray(curve["coverage"]), np.asarray(curve["accuracy"])
    good = (1 - accuracy <= max_risk + 1e-12) & (coverage * n >= MIN_ACCEPTED - 1e-9)
    return float(np.asarray(curve["threshold"])[good].min()) if good.any() else float("inf")


def margin(prob: np.ndarray) -> np.ndarray:
    """The most likely name's probability less the second's, (N,)."""
    ordered = np.sort(prob, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def entropy(prob: np.ndarray) -> np.ndarray:
    """Entropy (N,) as a share of its maximum: 0 = certain, 1 = every name equally likely."""
    safe = np.maximum(prob, FLOOR)
    return np.asarray(-(prob * np.log(safe)).sum(axis=1) / np.log(prob.shape[1]))
