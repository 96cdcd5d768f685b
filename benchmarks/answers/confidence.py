"""Is a model right where it is sure? Numbers of confidence, with bootstrap intervals.

| number | what it is |
|---|---|
| brier | mean squared gap between confidence and being right (Brier 1950, of one event) |
| ece | calibration error over 15 bins (`emo8.core.stats.calibration_error`) |
| auroc | chance that a right answer is surer than a wrong one, equal ones count half |
| aurc | mean risk over all coverages, the surest answers first, equally sure ones together |
|  | (Geifman and El-Yaniv 2017, "Selective classification for deep neural networks", NeurIPS) |

Shapes: A answers, B resamples. `right` may be a share: an answer that names two labels, one of
them right, is half right.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emo8.core.stats import bins_of, bootstrap, interval95

Array = npt.NDArray[np.float64]
METRICS = ("brier", "ece", "auroc", "aurc")
_POINTS = 20  # of the curve that is kept


class Confidence:
    """Answers sorted by falling confidence, so that every resample is sums over rows."""

    def __init__(self, confidence: Array, right: Array) -> None:
        order = np.argsort(-confidence, kind="stable")
        self._sure, self._right = confidence[order], right[order]
        self._gap, self._squared = self._right - self._sure, (self._right - self._sure) ** 2
        self._bins = np.flatnonzero(np.diff(bins_of(self._sure), prepend=-1))
        self._ties = np.flatnonzero(np.diff(self._sure, prepend=np.inf))

    def measure(self, weight: Array) -> list[float]:
        """METRICS of the answers, each counted `weight` (A,) times, the surest first."""
        total = weight.sum()
        gaps = np.add.reduceat(weight * self._gap, self._bins)
        right = np.add.reduceat(weight * self._right, self._ties)
        every = np.add.reduceat(weight, self._ties)
        wrong = every - right
        return [
            float((weight * self._squared).sum() / total),  # a dot product would start threads
            float(np.abs(gaps).sum() / total),
            _auroc(right, wrong),
            _aurc(wrong, every, total),
        ]

    def intervals(self, seed: int, resamples: int) -> dict[str, tuple[float, float]]:
        """95% of METRICS over answers drawn with replacement."""
        draws = bootstrap(self.measure, len(self._sure), seed=[seed, 95], resamples=resamples)
        return {name: interval95(draws[:, i]) for i, name in enumerate(METRICS)}

    def curve(self) -> list[tuple[float, float]]:
        """(coverage, risk) at some coverages: the risk of the answers at least that sure."""
        wrong = (1 - self._right).cumsum()
        places = np.unique(np.linspace(0, len(wrong) - 1, _POINTS + 1).round().astype(int))[1:]
        ends = np.append(self._ties[1:], len(wrong)) - 1  # equally sure ones come in together
        places = np.unique(ends[np.searchsorted(ends, places)])
        return [
            (round(float((p + 1) / len(wrong)), 4), round(float(wrong[p] / (p + 1)), 4))
            for p in places
        ]


def _auroc(right: Array, wrong: Array) -> float:
    """Area under the curve from counts per confidence, the surest first; NaN with one kind only."""
    pairs = right.sum() * wrong.sum()
    if pairs <= 0:
        return float("nan")
    surer = right.cumsum() - right / 2
    return float((surer * wrong).sum() / pairs)


def _aurc(wrong: Array, every: Array, total: float) -> float:
    """Mean over the answers of the risk among those at least as sure."""
    accepted = every.cumsum()
    risk = np.divide(wrong.cumsum(), accepted, out=np.zeros_like(wrong), where=accepted > 0)
    return float((risk * every).sum() / total)
