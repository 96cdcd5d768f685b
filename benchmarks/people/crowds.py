"""What the whole crowd would answer, as far as the votes of a few tell.

A picture leans to one label y, drawn from shares w; how its crowd answers, p, is drawn from a
Dirichlet distribution with parameters b + a * e_y, and the votes from p. With a = 0 that is the
plain Dirichlet-multinomial; with a large a every picture has one right label and people err alike,
as in Dawid and Skene (1979). Parameters are those that make the votes likeliest: Minka (2000),
"Estimating a Dirichlet distribution", section 3, for a mixture.

Shapes: N pictures, U different lines of counts, K labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
DRAWS = 200  # crowds per picture
_CHUNK = 8_000_000  # numbers held at once
_BOUNDS = (-9.0, 9.0)  # of logarithms of parameters


@dataclass(frozen=True, kw_only=True)
class Crowds:
    """The parameters of the model above."""

    base: Array  # (K,) b
    lean: float  # a
    share: Array  # (K,) w

    def leaning(self, counts: Counts) -> Array:
        """(N, K) chance that each picture leans to each label, given its votes."""
        return np.exp(_normal(_logs(counts, self.base, self.lean) + np.log(self.share))[0])


def top_shares(counts: Counts) -> Array:
    """(N, K) one on the commonest label of each line, shared evenly by equal ones."""
    top = counts == counts.max(axis=1, keepdims=True)
    shares: Array = top / top.sum(axis=1, keepdims=True)
    return shares


def perfect(counts: Counts, rng: np.random.Generator) -> Array:
    """(N,) chance that the majority of a picture's votes is the commonest answer of its crowd."""
    crowds = fit(counts)
    leaning, label = crowds.leaning(counts).cumsum(axis=1), top_shares(counts)
    found = np.zeros(len(counts))
    num_labels = counts.shape[1]
    step = max(1, _CHUNK // (DRAWS * num_labels))
    for start in range(0, len(counts), step):
        part = slice(start, start + step)
        drawn = rng.random((DRAWS, len(counts[part]), 1))
        toward = np.minimum((drawn > leaning[part]).sum(axis=2), num_labels - 1)
        shape = counts[part] + crowds.base + crowds.lean * np.eye(num_labels)[toward]
        best = rng.standard_gamma(shape).argmax(axis=2)  # (draws, n)
        found[part] = np.take_along_axis(label[part].T, best, axis=0).mean(axis=0)
    return found


def fit(counts: Counts) -> Crowds:
    """The parameters that make the votes likeliest, by L-BFGS with exact slopes."""
    from scipy.optimize import minimize

    lines, weight = np.unique(counts, axis=0, return_counts=True)
    weight = weight / weight.sum()
    num_labels = counts.shape[1]
    mean = (counts.sum(axis=0) + 1) / (counts.sum() + num_labels)
    best = None
    for lean in (0.0, 2.0):  # from a plain Dirichlet, and from clear labels
        start = np.concatenate([np.log(mean), [lean], np.log(mean)])
        bounds = [_BOUNDS] * (num_labels + 1) + [(-20.0, 20.0)] * num_labels
        found = minimize(
            _loss, start, args=(lines, weight), jac=True, method="L-BFGS-B", bounds=bounds
        )
        best = found if best is None or found.fun < best.fun else best
    assert best is not None
    base, lean, share = _unpacked(best.x, num_labels)
    return Crowds(base=base, lean=lean, share=share)


def _unpacked(x: Array, num_labels: int) -> tuple[Array, float, Array]:
    share = np.exp(x[num_labels + 1 :] - x[num_labels + 1 :].max())
    share = np.maximum(share / share.sum(), 1e-12)
    return np.exp(x[:num_labels]), float(np.exp(x[num_labels])), share


def _loss(x: Array, lines: Counts, weight: Array) -> tuple[float, Array]:
    """Minus the mean log likelihood of the lines (U, K), and its slope."""
    from scipy.special import digamma

    num_labels = lines.shape[1]
    base, lean, share = _unpacked(x, num_labels)
    leaning, value = _normal(_logs(lines, base, lean) + np.log(share))
    mine = np.exp(leaning) * weight[:, None]  # (U, K)
    total, n = base.sum() + lean, lines.sum(axis=1)
    shared = float(weight @ (digamma(total) - digamma(n + total)))
    without = _over(digamma, lines, base)
    with_lean = _over(digamma, lines, base + lean)
    slope_base = shared + weight @ without + (mine * (with_lean - without)).sum(axis=0)
    slope_lean = shared + (mine * with_lean).sum()
    slope = [slope_base * base, [slope_lean * lean], mine.sum(axis=0) - share]
    return -float(weight @ value), -np.concatenate(slope)


def _logs(lines: Counts, base: Array, lean: float) -> Array:
    """(U, K) log likelihood of each line where its picture leans to each label."""
    from scipy.special import gammaln

    total, n = base.sum() + lean, lines.sum(axis=1)
    without = _over(gammaln, lines, base)
    with_lean = _over(gammaln, lines, base + lean)
    common = gammaln(total) - gammaln(n + total) + without.sum(axis=1)
    found: Array = common[:, None] + with_lean - without
    return found


def _over(function: Callable[[Array], Array], lines: Counts, start: Array) -> Array:
    """(U, K) how much a function grows from `start` (K,) over the counts; looked up, for speed."""
    steps = np.arange(lines.max() + 1)[:, None] + start
    table = function(steps) - function(start)
    return table[lines, np.arange(len(start))]


def _normal(logs: Array) -> tuple[Array, Array]:
    """Logarithms that sum to one per line, and the logarithm (U,) of what they summed to."""
    top = logs.max(axis=1, keepdims=True)
    value = top[:, 0] + np.log(np.exp(logs - top).sum(axis=1))
    return logs - value[:, None], value
