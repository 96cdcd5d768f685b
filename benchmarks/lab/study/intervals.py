"""Intervals over seeds and pictures, and what they say, for the pages of the study of learning."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RESAMPLES = 4000


def interval(gaps: npt.NDArray[np.float64], comparisons: int) -> tuple[float, float]:
    """Of the mean of (S, N) differences: seeds and pictures drawn with replacement, Bonferroni."""
    rng = np.random.default_rng(20261128)
    seeds, pictures = gaps.shape
    means = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        drawn = gaps[rng.integers(0, seeds, seeds)].mean(axis=0)
        means[i] = drawn[rng.integers(0, pictures, pictures)].mean()
    tail = 0.05 / comparisons / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return float(low), float(high)


def mean_interval(gaps: npt.NDArray[np.float64], comparisons: int) -> tuple[float, float, float]:
    """The mean of (S, N) differences, and its interval."""
    return float(gaps.mean()), *interval(gaps, comparisons)


def judged(mean: float, low: float, high: float) -> str:
    """Cells of a table: a difference, its interval, and what that says."""
    return f"{mean:+.3f} | {low:+.3f} to {high:+.3f} | {verdict(low, high)}"


def verdict(low: float, high: float) -> str:
    """What an interval of a difference says."""
    return "better" if low > 0 else "worse" if high < 0 else "no difference was shown"
