"""How far annotators agree, and whom to believe: Fleiss' kappa, Krippendorff's alpha, Dawid-Skene.

Shapes: N items, A annotators, K names. `counts` (N, K) says how often each name was given to each
item. A distance (K, K) says how far two names are apart: nominal, of sets, or of ratings.

crowd-kit has Dawid-Skene too, and no smoothing: somebody who saw one picture would be perfect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Who gave which name to which item: V marks, each with a weight."""

    item: np.ndarray  # (V,) 0 to N - 1
    person: np.ndarray  # (V,) 0 to A - 1
    name: np.ndarray  # (V,) 0 to K - 1; -1 = none of the names
    weight: np.ndarray  # (V,) share of the annotator's vote on the item
    shape: tuple[int, int, int]  # N, A, K

    def named(self) -> Marks:
        """The marks that give a name."""
        own = self.name >= 0
        return Marks(
            item=self.item[own],
            person=self.person[own],
            name=self.name[own],
            weight=self.weight[own],
            shape=self.shape,
        )

    def counts(self) -> np.ndarray:
        """(N, K) how often each name was given to each item."""
        counts = np.zeros((self.shape[0], self.shape[2]))
        np.add.at(counts, (self.item, self.name), 1)
        return counts


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


def krippendorff_alpha(counts: np.ndarray, distance: np.ndarray | None = None) -> float:
    """Krippendorff's alpha, any number of ratings per item; NaN if undefined.

    Source: Krippendorff (2011), "Computing Krippendorff's alpha-reliability". Items with fewer
    than two ratings pair with nothing and are left out. `distance` (K, K) between the names, for
    intervals the squared difference; without it names are the same or not.
    """
    ratings = counts.sum(axis=1)
    counts, ratings = counts[ratings > 1].astype(float), ratings[ratings > 1]
    if not len(counts):
        return float("nan")
    per_item = counts / (ratings - 1)[:, None]
    coincidence = counts.T @ per_item - np.diag(per_item.sum(axis=0))
    total = coincidence.sum(axis=1)
    n = total.sum()
    apart = 1 - np.eye(len(total)) if distance is None else distance
    observed = (coincidence * apart).sum()
    expected = (np.outer(total, total) * apart).sum() / (n - 1)
    return float(1 - observed / expected) if expected > 1e-12 else float("nan")


def alpha_of_each(named: np.ndarray, asked: np.ndarray | None = None) -> np.ndarray:
    """Krippendorff's alpha (K,) of each name against its absence.

    `named` (N, K) says how many annotators gave each name to each item, `asked` (N, K) how many
    could have; without it each annotator gives one of the names.
    """
    if asked is None:
        asked = np.broadcast_to(named.sum(axis=1, keepdims=True), named.shape)
    pairs = np.stack([named, asked - named], axis=2)  # (N, K, 2)
    return np.array([krippendorff_alpha(pairs[:, k]) for k in range(named.shape[1])])


def interval_distance(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """(K, K) squared differences, Krippendorff's metric for ratings."""
    numbers = np.asarray(values, float)
    return np.asarray((numbers[:, None] - numbers[None, :]) ** 2)


def jaccard_distance(sets: Sequence[frozenset[int]]) -> np.ndarray:
    """(K, K) one minus the share of the union that two sets have in common."""
    return 1 - _overlap(sets)


def masi_distance(sets: Sequence[frozenset[int]]) -> np.ndarray:
    """(K, K) MASI: Jaccard's overlap, weighed by how the sets lie to each other.

    Source: Passonneau (2006), "Measuring agreement on set-valued items (MASI) for semantic and
    pragmatic annotation", LREC. The weight is 1 for equal sets, 2/3 where one holds the other,
    1/3 where each has something of its own, 0 where they have nothing in common.
    """
    weight = np.array(
        [
            [1 if a == b else 2 / 3 if a <= b or b <= a else 1 / 3 if a & b else 0 for b in sets]
            for a in sets
        ]
    )
    return np.asarray(1 - _overlap(sets) * weight)


def _overlap(sets: Sequence[frozenset[int]]) -> np.ndarray:
    return np.array([[len(a & b) / len(a | b) if a | b else 1.0 for b in sets] for a in sets])


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
    marks: Marks, *, smoothing: float = 0.0, max_steps: int = 500, tolerance: float = 1e-8
) -> DawidSkene:
    """Expectation-maximisation from the shares of votes.

    Source: Dawid and Skene (1979), "Maximum likelihood estimation of observer error-rates using
    the EM algorithm", Applied Statistics 28(1). `smoothing` adds that many votes, spread like the
    names' prior, to each line of each annotator's confusion, so that one who voted little is taken
    for average, not for perfect.
    """
    num_items, num_people, num_names = marks.shape
    totals = _sums(marks.item * num_names + marks.name, marks.weight, (num_items, num_names))
    given = totals.sum(axis=1, keepdims=True)
    prob = np.where(given > 0, totals / np.maximum(given, 1e-300), 1 / num_names)
    spread = smoothing * totals.sum(axis=0) / max(totals.sum(), 1e-300)
    said = marks.person * num_names + marks.name
    for _ in range(max_steps):
        prior = prob.mean(axis=0)
        weighed = prob[marks.item] * marks.weight[:, None]  # (V, K)
        counted = np.stack(
            [_sums(said, weighed[:, k], (num_people, num_names)) for k in range(num_names)], axis=1
        )
        confusion = counted + spread
        line = confusion.sum(axis=2, keepdims=True)
        confusion = np.where(line > 0, confusion / np.where(line > 0, line, 1), 1 / num_names)
        log = np.log(np.maximum(confusion, 1e-300))[marks.person, :, marks.name]  # (V, K)
        log_prob = np.log(np.maximum(prior, 1e-300)) + np.stack(
            [_sums(marks.item, log[:, k] * marks.weight, (num_items,)) for k in range(num_names)],
            axis=1,
        )
        log_prob -= log_prob.max(axis=1, keepdims=True)
        new = np.exp(log_prob)
        new /= new.sum(axis=1, keepdims=True)
        change = float(np.abs(new - prob).max())
        prob = new
        if change < tolerance:
            break
    return DawidSkene(prob=prob, prior=prior, confusion=confusion)


def _sums(place: np.ndarray, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sums of values by the place they belong to, in an array of that shape."""
    size = int(np.prod(shape))
    return np.bincount(place, weights=values, minlength=size).reshape(shape)
