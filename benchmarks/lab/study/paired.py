"""Intervals of arms and paired tests between them.

Shapes: M asked pictures, S pretraining seeds, B resamples. `clusters` (M,) has equal numbers where
pictures draw the same code point: they are not independent of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from benchmarks.lab.study.measured import Measured
from emo8.core.stats import holm

RESAMPLES = 2000
FLIPS = 10_000
ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One arm minus another, over the same pictures."""

    base: str
    other: str
    difference: float
    low: float
    high: float
    p: float
    corrected: float = 1.0

    @property
    def verdict(self) -> str:
        if self.corrected >= ALPHA:
            return "no difference was shown"
        return f"{self.base} is {'better' if self.difference > 0 else 'worse'}"


def interval(arm: Measured, clusters: npt.NDArray[np.int64]) -> tuple[float, float]:
    """95% of the accuracy: code points and pretraining seeds drawn with replacement."""
    draws = _resampled(arm.right.mean(axis=1), clusters)
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def _resampled(
    right: npt.NDArray[np.float64], clusters: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """(B,) means of (S, M) under the two-way bootstrap."""
    rng = np.random.default_rng(20261123)
    groups = np.unique(clusters, return_inverse=True)[1]
    sums = np.stack([np.bincount(groups, row) for row in right])  # (S, clusters)
    sizes = np.bincount(groups)
    found = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        seeds = rng.integers(0, len(right), len(right))
        drawn = rng.integers(0, len(sizes), len(sizes))
        found[i] = sums[seeds][:, drawn].sum() / (len(seeds) * sizes[drawn].sum())
    return found


def compare(base: Measured, other: Measured, clusters: npt.NDArray[np.int64]) -> Comparison:
    """The paired difference, its two-way bootstrap interval, and a sign-flip p over code points."""
    shared = sorted(set(base.seeds) & set(other.seeds)) or [base.seeds[0]]
    mine = base.right.mean(axis=1)[[base.seeds.index(s) for s in shared]]
    theirs = other.right.mean(axis=1)
    if set(shared) <= set(other.seeds):
        theirs = theirs[[other.seeds.index(s) for s in shared]]
    gap = mine - theirs  # (S, M)
    low, high = np.quantile(_resampled(gap, clusters), (0.025, 0.975))
    groups = np.unique(clusters, return_inverse=True)[1]
    sums = np.bincount(groups, gap.mean(axis=0))
    rng = np.random.default_rng(20261124)
    flips = rng.integers(0, 2, (FLIPS, len(sums))) * 2 - 1
    extreme = (np.abs(flips @ sums) >= abs(sums.sum()) - 1e-12).sum()
    return Comparison(
        base=base.name,
        other=other.name,
        difference=float(gap.mean()),
        low=float(low),
        high=float(high),
        p=float((extreme + 1) / (FLIPS + 1)),
    )


def against(
    base: Measured, others: Sequence[Measured], clusters: npt.NDArray[np.int64]
) -> list[Comparison]:
    """`base` minus each of the others, p corrected after Holm over all of them."""
    found = [compare(base, other, clusters) for other in others]
    corrected = holm([c.p for c in found])
    return [replace(c, corrected=p) for c, p in zip(found, corrected, strict=True)]
