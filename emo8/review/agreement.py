"""How far annotators agree, and whom to believe: Fleiss' kappa, Krippendorff's alpha, Dawid-Skene.

Shapes: N items, A annotators, K names. `counts` (N, K) says how often each name was given to each
item; `votes` (N, A, K) says how often each annotator gave it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def fleiss_kappa(counts: np.ndarray) -> float:
    """Fleiss' kappa; NaN where it is not defined (no two ratings, or one name only).

    Source: Fleiss (1971), "Measuring nominal scale agreement among many raters", Psychological
    Bulletin 76(5). It asks for equally many ratings per item: ValueError otherwise.
    """
    ratings = counts.sum(axis=1)
    if not len(counts) or ratings[0] < 2:
        return float("nan")
    if (ratings != ratings[0]).any():
        raise ValueError("Fleiss' kappa needs equally many ratings of every item")
    share = counts.sum(axis=0) / counts.sum()
    per_item = ((counts**2).sum(axis=1) - ratings) / (ratings * (ratings - 1))
    expected = float((share**2).sum())
    return float((per_item.mean() - expected) / (1 - expected)) if expected < 1 else float("nan")


def krippendorff_alpha(counts: np.ndarray) -> float:
    """Krippendorff's alpha for names (nominal), any number of ratings per item; NaN if undefined.

    Source: Krippendorff (2011), "Computing Krippendorff's alpha-reliability". Items with fewer
    than two ratings pair with nothing and are left out.
    """
    ratings = counts.sum(axis=1)
    counts, ratings = counts[ratings > 1].astype(float), ratings[ratings > 1]
    if not len(counts):
        return float("nan")
    pairs = np.einsum("nk,nl->nkl", counts, counts)
    pairs -= np.einsum("nk,kl->nkl", counts, np.eye(counts.shape[1]))
    coincidence = (pairs / (ratings - 1)[:, None, None]).sum(axis=0)
    total = coincidence.sum(axis=1)
    n = total.sum()
    observed = n - np.trace(coincidence)
    expected = (n**2 - (total**2).sum()) / (n - 1)
    return float(1 - observed / expected) if expected > 0 else float("nan")


def alpha_of_each(counts: np.ndarray) -> np.ndarray:
    """Krippendorff's alpha (K,) of each name against all others together."""
    everything = counts.sum(axis=1)
    return np.array(
        [
            krippendorff_alpha(np.stack([counts[:, k], everything - counts[:, k]], axis=1))
            for k in range(counts.shape[1])
        ]
    )


@dataclass(frozen=True, kw_only=True)
class DawidSkene:
    """What votes say about items and annotators together."""

    prob: np.ndarray  # (N, K) posterior over the true name of each item
    prior: np.ndarray  # (K,) share of each name
    confusion: np.ndarray  # (A, K, K) chance that annotator a gives l where k is true

    def accuracy(self) -> np.ndarray:
        """(A,) chance that each annotator gives the true name of an item drawn from the prior."""
        return np.asarray(np.einsum("k,akk->a", self.prior, self.confusion))


def dawid_skene(
    votes: np.ndarray, *, smoothing: float = 0.0, max_steps: int = 500, tolerance: float = 1e-8
) -> DawidSkene:
    """Expectation-maximisation from the shares of votes.

    Source: Dawid and Skene (1979), "Maximum likelihood estimation of observer error-rates using
    the EM algorithm", Applied Statistics 28(1). `smoothing` adds that many votes, spread like the
    names' prior, to each line of each annotator's confusion, so that one who voted little is taken
    for average, not for perfect.
    """
    votes = votes.astype(float)
    totals = votes.sum(axis=1)
    num_names = votes.shape[2]
    given = totals.sum(axis=1, keepdims=True)
    prob = np.where(given > 0, totals / np.maximum(given, 1), 1 / num_names)
    for _ in range(max_steps):
        prior = prob.mean(axis=0)
        confusion = np.einsum("nk,nal->akl", prob, votes) + smoothing * totals.sum(axis=0) / max(
            totals.sum(), 1
        )
        line = confusion.sum(axis=2, keepdims=True)
        confusion = np.where(line > 0, confusion / np.where(line > 0, line, 1), 1 / num_names)
        log_prob = np.log(np.maximum(prior, 1e-300)) + np.einsum(
            "nal,akl->nk", votes, np.log(np.maximum(confusion, 1e-300))
        )
        log_prob -= log_prob.max(axis=1, keepdims=True)
        new = np.exp(log_prob)
        new /= new.sum(axis=1, keepdims=True)
        change = float(np.abs(new - prob).max())
        prob = new
        if change < tolerance:
            break
    return DawidSkene(prob=prob, prior=prior, confusion=confusion)
