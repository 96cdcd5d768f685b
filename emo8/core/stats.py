"""Intervals, calibration error and paired tests: one of each, for all programs.

Shapes: N rows, B resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
RESAMPLES = 2000
FLIPS = 10_000
ECE_BINS = 15
_FLIPS_AT_ONCE = 4_000_000  # signs held at once
_ENDS95 = (0.025, 0.975)


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95% score interval of Wilson (1927) for a share of `right` of `n`; (0, 1) where n is 0.

    It stays honest where a bootstrap cannot: 3 of 3 right gives (0.44, 1), not (1, 1).
    """
    from scipy.stats import binomtest

    if n == 0:
        return 0.0, 1.0
    found = binomtest(right, n).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def interval95(draws: npt.ArrayLike) -> tuple[float, float]:
    """The middle 95% of resampled values (Efron 1979, percentile method); NaN draws are left out.

    NaN stands for a resample in which the number is not defined (one class drawn only); where all
    are, both ends are NaN.
    """
    values = np.asarray(draws, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, _ENDS95)
    return float(low), float(high)


def bootstrap(
    measure: Callable[[Array], Sequence[float]],
    n: int,
    *,
    seed: int | Sequence[int] = 0,
    resamples: int = RESAMPLES,
) -> npt.NDArray[np.float64]:
    """(B, M) values of M measures over `resamples` draws of n rows with replacement.

    `measure` takes the weights (n,) of the rows, how often each was drawn: a measure that is a
    sum over rows then needs no copy of them, which is what makes a thousand resamples of 100,000
    rows a matter of seconds.
    """
    rng = np.random.default_rng(seed)
    return np.array(
        [
            measure(np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64))
            for _ in range(resamples)
        ]
    )


def bootstrap_mean(
    values: npt.ArrayLike, *, seed: int | Sequence[int] = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The 95% bootstrap interval of the mean of `values` (N,).

    Rows of equal value are one cell of a multinomial, so that 100,000 rows of nine different
    values cost no more than nine.
    """
    levels, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    rng = np.random.default_rng(seed)
    n = int(counts.sum())
    step = max(1, _FLIPS_AT_ONCE // len(levels))
    draws = [
        rng.multinomial(n, counts / n, size=min(step, resamples - start)) @ levels / n
        for start in range(0, resamples, step)
    ]
    return interval95(np.concatenate(draws))


def bins_of(confidence: npt.ArrayLike, bins: int = ECE_BINS) -> npt.NDArray[np.int64]:
    """Which of `bins` equal bins each confidence lies in.

    Bin m is [m / bins, (m + 1) / bins): a confidence on an edge belongs to the bin above it, and 1
    to the last, as in torchmetrics. (Guo et al. put edges below; real confidences meet none.)
    """
    edges = np.arange(1, bins) / bins
    return np.searchsorted(edges, np.asarray(confidence, dtype=np.float64), side="right")


def calibration_error(
    confidence: npt.ArrayLike, right: npt.ArrayLike, bins: int = ECE_BINS
) -> float:
    """Mean gap between confidence and share of right answers over the bins; NaN without rows.

    Guo et al. (2017), "On calibration of modern neural networks", ICML, equation 3; 15 bins as
    there. `bins_of` says which side of an edge counts.
    """
    sure = np.asarray(confidence, dtype=np.float64)
    if not len(sure):
        return float("nan")
    gap = np.asarray(right, dtype=np.float64) - sure
    per_bin = np.bincount(bins_of(sure, bins), gap, minlength=bins)
    return float(np.abs(per_bin).sum() / len(sure))


def paired_test(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[float, str]:
    """Two-sided p that two models are equally often right on the same N pictures, and the test.

    McNemar's exact test where each answer is right or wrong (1.0 where they differ on no
    picture); else a sign-flip permutation test of the mean difference, its p never 0.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if np.isin(one, (0.0, 1.0)).all() and np.isin(two, (0.0, 1.0)).all():
        return mcnemar(int((one > two).sum()), int((two > one).sum())), "McNemar"
    return sign_flips(one - two), "sign flips"


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact p of McNemar (1947) from the pictures that only one of two models got right."""
    from scipy.stats import binomtest

    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def sign_flips(gap: npt.ArrayLike, *, seed: int = 96, flips: int = FLIPS) -> float:
    """p of the mean of paired differences (N,) under random signs, the data themselves counted."""
    differences = np.asarray(gap, dtype=np.float64)
    differences = differences[differences != 0]  # a sign changes nothing about them
    if not len(differences):
        return 1.0
    rng = np.random.default_rng(seed)
    observed, extreme, done = abs(differences.sum()) - 1e-12, 0, 0
    step = max(1, _FLIPS_AT_ONCE // len(differences))
    while done < flips:  # in parts, so that large test sets fit in memory
        count = min(step, flips - done)
        signs = rng.integers(0, 2, (count, len(differences)), dtype=np.int8)
        sums = 2.0 * (signs @ differences) - differences.sum()
        extreme += int((np.abs(sums) >= observed).sum())
        done += count
    return (extreme + 1) / (done + 1)


def holm(p: Sequence[float]) -> list[float]:
    """The p values corrected after Holm (1979), in their order."""
    corrected, worst = [1.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        worst = max(worst, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = worst
    return corrected
