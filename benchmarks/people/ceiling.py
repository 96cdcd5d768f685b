"""How well anybody can do against labels that people voted on, and how many people one is worth.

| number | what it is |
|---|---|
| split_half | the majority of half of a picture's people against that of the other half |
| split_half_bound | its square root: no model does better against a majority of half of them |
| leave_one_out | the majority of all others against the answer of the one left out |
| person | one person against the majority of the others; every annotator counts once |
| ceiling | a perfect model against the majority of all people asked |
| n_equivalent | how many people's majority agrees with one more person as often as the model |

A perfect model knows how the whole crowd would answer and says its commonest answer. `ceiling` is
how often that is the label that those who were asked have given: the chance, given a picture's
votes, that their majority is the crowd's, under the model of `crowds`. `split_half_bound` needs no
model: with q the chances of each label to be the half's majority, the halves agree with chance
sum(q^2), and max(q) <= sqrt(sum(q^2)).
`n_equivalent` is the survey equivalence of Resnick, Kong, Schoenebeck and Weninger (2021), "Survey
equivalence: a procedure for measuring classifier accuracy against human labels", arXiv 2106.01254,
with majorities for combining and agreement for scoring; 0 people answer the commonest label.
Ties are shared evenly: of two leaders each counts half.

Shapes: N pictures, K labels, S most votes on a picture, B resamples.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks.people import crowds
from benchmarks.people.crowds import top_shares
from benchmarks.people.votes import Votes
from emo8.core.errors import SourceError
from emo8.core.stats import RESAMPLES, interval95

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
SHUFFLES = 48  # random orders in which a picture's people are asked
LEAST_SHARE = 0.5  # of the pictures must have more than m votes for m people to be measured
_CHUNK_WEIGHTS = 8_000_000  # weights of resamples held at once


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What people reach on N pictures with at least two votes each."""

    n: int
    people: tuple[int, int, int]  # fewest, median and most votes on a picture
    metrics: dict[str, float]
    interval95: dict[str, tuple[float, float]]
    agreement: tuple[float, ...]  # of the majority of 0, 1, 2, … people with one more person
    used: npt.NDArray[np.int64]  # (N,) which pictures of the votes
    per_picture: Array = field(repr=False)  # (N, M) those agreements; NaN where too few voted


def measure(votes: Votes, *, seed: int = 0, resamples: int = RESAMPLES) -> Ceiling:
    """All numbers of the table above but n_equivalent, with 95% bootstrap intervals over pictures.

    SourceError where no picture has two votes.
    """
    total = votes.counts.sum(axis=1)
    used = np.flatnonzero(total >= 2)
    if not len(used):
        raise SourceError(
            f"{votes.origin}: no picture has two people's votes, and a ceiling compares people."
        )
    counts = votes.counts[used]
    rng = np.random.default_rng([seed, 29])
    halves, curve = _shuffled(counts, rng)
    alone = leave_one_out(counts)
    values = {"split_half": halves, "leave_one_out": alone, "ceiling": crowds.perfect(counts, rng)}
    draws = resample(np.column_stack(list(values.values())), seed, resamples)
    metrics = {name: float(value.mean()) for name, value in values.items()}
    intervals = {name: interval95(draws[:, i]) for i, name in enumerate(values)}
    metrics["split_half_bound"] = float(np.sqrt(metrics["split_half"]))
    intervals["split_half_bound"] = interval95(np.sqrt(draws[:, 0]))
    by_person = votes.per_person(used, credits(counts))
    metrics["person"], intervals["person"] = metrics["leave_one_out"], intervals["leave_one_out"]
    if len(by_person):
        metrics["person"] = float(by_person.mean())
        intervals["person"] = interval95(resample(by_person[:, None], seed, resamples)[:, 0])
    asked = total[used]
    return Ceiling(
        n=len(used),
        people=(int(asked.min()), int(np.median(asked)), int(asked.max())),
        metrics={name: round(value, 6) for name, value in metrics.items()},
        interval95={k: (round(low, 6), round(high, 6)) for k, (low, high) in intervals.items()},
        agreement=tuple(round(float(v), 6) for v in np.nanmean(curve, axis=0)),
        used=used,
        per_picture=curve,
    )


def credits(counts: Counts) -> Array:
    """(N, K) how far a vote for each label agrees with the majority of the picture's other votes.

    Labels without a vote have 0.
    """
    found = np.zeros(counts.shape)
    for label in range(counts.shape[1]):
        others = counts.copy()
        others[:, label] -= 1
        found[:, label] = top_shares(others)[:, label] * (counts[:, label] > 0)
    return found


def leave_one_out(counts: Counts) -> Array:
    """(N,) mean agreement of one vote with the majority of the others."""
    found: Array = (counts * credits(counts)).sum(axis=1) / counts.sum(axis=1)
    return found


def _shuffled(counts: Counts, rng: np.random.Generator) -> tuple[Array, Array]:
    """Agreement of halves (N,), and of 0, 1, 2, … people with one more (N, M), over shuffles."""
    votes = _listed(counts)  # (N, S), -1 behind the last
    asked = (votes >= 0).sum(axis=1)
    sizes = np.arange(1, votes.shape[1])
    most = int((np.mean(asked[:, None] > sizes, axis=0) >= LEAST_SHARE).sum()) or 1
    halves, sums = np.zeros(len(votes)), np.zeros((len(votes), most))
    for _ in range(SHUFFLES):
        order = np.argsort(np.where(votes >= 0, rng.random(votes.shape), 2.0), axis=1)
        shuffled = np.take_along_axis(votes, order, axis=1)
        own, curve = _one_order(shuffled, asked, counts.shape[1], most)
        halves += own / SHUFFLES
        sums += curve / SHUFFLES
    exact = leave_one_out(counts)  # all but one with the last one: no need to draw orders
    for m in range(1, most + 1):
        sums[asked == m + 1, m - 1] = exact[asked == m + 1]
    commonest = counts.sum(axis=0).argmax()
    nobody = counts[:, commonest] / asked
    known = asked[:, None] > sizes[:most]
    return halves, np.column_stack([nobody, np.where(known, sums, np.nan)])


def _listed(counts: Counts) -> Counts:
    """(N, S) the votes one by one as label numbers, -1 behind the last one of a picture."""
    ends = counts.cumsum(axis=1)
    place = np.arange(ends[:, -1].max())
    label = (place[None, :, None] >= ends[:, None, :]).sum(axis=2)
    found: Counts = np.where(place[None, :] < ends[:, -1:], label, -1)
    return found


def _one_order(votes: Counts, asked: Counts, num_labels: int, most: int) -> tuple[Array, Array]:
    """Agreement of the first half with the second, and of the first m votes with the next one."""
    rows = np.arange(len(votes))
    so_far = np.zeros((len(votes), num_labels), dtype=np.int64)
    half, first = asked // 2, np.zeros_like(so_far)
    halves, curve = np.zeros(len(votes)), np.zeros((len(votes), most))
    for m in range(1, max(most, 2 * int(half.max())) + 1):
        here = votes[:, m - 1] >= 0
        so_far[rows[here], votes[here, m - 1]] += 1
        if m <= most:
            following = votes[:, m]
            curve[:, m - 1] = np.where(following >= 0, top_shares(so_far)[rows, following], 0.0)
        middle, end = half == m, 2 * half == m  # an odd vote is left out
        first[middle] = so_far[middle]
        if end.any():
            second = so_far[end] - first[end]
            halves[end] = (top_shares(first[end]) * top_shares(second)).sum(axis=1)
    return halves, curve


def resample(values: Array, seed: int, resamples: int) -> Array:
    """(B, M) means of (N, M) values, the pictures drawn with replacement; NaN values left out."""
    known = np.isfinite(values)
    filled, rng = np.where(known, values, 0.0), np.random.default_rng([seed, 95])
    step = max(1, _CHUNK_WEIGHTS // len(values))
    means = []
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        weight = np.stack(
            [
                np.bincount(rng.integers(0, len(values), len(values)), minlength=len(values))
                for _ in range(size)
            ]
        ).astype(np.float64)
        with np.errstate(invalid="ignore"):
            means.append((weight @ filled) / (weight @ known.astype(np.float64)))
    return np.concatenate(means)


def n_equivalent(
    ceiling: Ceiling, votes: Votes, answers: Array, *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, tuple[float, float]]:
    """How many people a model is worth that answers (N', K) about the pictures of `votes`.

    A line of `answers` holds the shares of the labels it names, zeros for no answer and NaN where
    the model was not asked. At most len(agreement) - 1, which then is a lower bound: more cannot
    be measured with these votes. NaN where no voted picture was asked about.
    """
    own = answers[ceiling.used]
    asked = np.isfinite(own).all(axis=1)
    if not asked.any():
        return float("nan"), (float("nan"), float("nan"))
    counts = votes.counts[ceiling.used][asked]
    agrees = (counts * own[asked]).sum(axis=1) / counts.sum(axis=1)
    gap = agrees[:, None] - ceiling.per_picture[asked]  # (N, M), of the model over m people
    draws = resample(gap, seed, resamples)
    return _crossing(np.nanmean(gap, axis=0)), interval95([_crossing(d) for d in draws])


def _crossing(gap: Array) -> float:
    """The number of people where a model's lead over them ends, between whole numbers by a line."""
    ahead = gap > 0
    if not ahead[0]:
        return 0.0
    if ahead.all():
        return float(len(gap) - 1)
    last = int(np.argmin(ahead)) - 1
    return float(last + gap[last] / (gap[last] - gap[last + 1]))
