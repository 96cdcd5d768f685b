"""Weighted nearest neighbours on unit features: no weights learnt, one number chosen.

Each of the k most similar training rows votes for its emotion with weight exp(similarity / T), as
in Wu et al. (2018), "Unsupervised feature learning via non-parametric instance discrimination",
CVPR, section 3.4, with T = 0.07 as there. k is chosen on training rows only: each of them is
predicted from the others outside its own block (copies, or the group that inner folds hold
together).

Shapes: Q queries, A training rows, D feature width, K emotions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.features.backbones import Features
from benchmarks.problem.folds import Index
from benchmarks.protocols.base import Prediction, Prob, Problem, require_positive, unit
from benchmarks.protocols.regression import goodness

LEARNS = True
Votes = Callable[..., list[Prob]]  # queries -> (Q, K) shares per candidate for k
CHUNK_ELEMENTS = 32_000_000  # similarities held at once (float32): 128 MB


@dataclass(frozen=True, kw_only=True)
class Settings:
    neighbours: tuple[int, ...] = (1, 5, 10, 20, 50)  # candidates for k
    temperature: float = 0.07
    choose_rows: int = 10_000  # training rows asked when choosing k, drawn by the seed

    def __post_init__(self) -> None:
        require_positive(self)


def predict(problem: Problem, settings: Settings) -> Prediction:
    """Votes of the k nearest training rows, k chosen by leaving blocks of training rows out."""
    features = unit(problem.features)
    train = features[problem.train]
    target, num_emotions = problem.target[problem.train], len(problem.emotions)
    deepest = min(max(settings.neighbours), len(train))

    def votes(queries: Features, not_in: tuple[Index, Index] | None = None) -> list[Prob]:
        sim, row = nearest(queries, train, deepest, not_in)
        weight = np.exp((sim.astype(np.float64) - 1) / settings.temperature)
        if problem.values is not None:
            wanted = problem.values[problem.train]
            return [_average(weight[:, :k], wanted[row[:, :k]]) for k in candidates]
        return [_vote(weight[:, :k], target[row[:, :k]], num_emotions) for k in candidates]

    candidates = sorted({min(k, deepest) for k in settings.neighbours})
    chosen = _choose(problem, settings, features, votes) if len(candidates) > 1 else 0
    prob = votes(features[problem.test])[chosen]
    return Prediction(prob=prob[None], chosen={"neighbours": candidates[chosen]})


def _choose(problem: Problem, settings: Settings, features: Features, votes: Votes) -> int:
    """Which candidate predicts validation rows best, or training rows from other blocks."""
    if len(problem.valid):
        asked, not_in = problem.valid, None
    else:
        rng = np.random.default_rng(problem.seed)
        size = min(settings.choose_rows, len(problem.train))
        asked = np.sort(rng.choice(problem.train, size, replace=False))
        not_in = (problem.blocks[asked], problem.blocks[problem.train])
    if problem.values is not None:
        return int(np.argmax([goodness(problem, asked, v) for v in votes(features[asked], not_in)]))
    right = [(p.argmax(1) == problem.target[asked]).mean() for p in votes(features[asked], not_in)]
    return int(np.argmax(right))


def nearest(
    queries: Features, train: Features, depth: int, not_in: tuple[Index, Index] | None = None
) -> tuple[Features, npt.NDArray[np.int64]]:
    """Similarity and row (Q, depth) of the most similar training rows, most similar first.

    `not_in` = blocks of queries (Q,) and training rows (A,): rows of the query's own block have
    similarity minus infinity, which is a vote of weight zero.
    """
    bank = torch.from_numpy(np.ascontiguousarray(train))
    sims: list[torch.Tensor] = []
    found: list[torch.Tensor] = []
    step = max(1, CHUNK_ELEMENTS // max(1, len(train)))
    for start in range(0, len(queries), step):
        sim = torch.from_numpy(np.ascontiguousarray(queries[start : start + step])) @ bank.T
        if not_in is not None:
            mine = torch.from_numpy(not_in[0][start : start + step])
            sim.masked_fill_(mine[:, None] == torch.from_numpy(not_in[1])[None], -torch.inf)
        top = sim.topk(depth, dim=1)
        sims.append(top.values)
        found.append(top.indices)
    return torch.cat(sims).numpy(), torch.cat(found).numpy()


def _average(weight: Prob, wanted: Prob) -> Prob:
    """(Q, K) means of the neighbours' numbers (Q, k, K) under their weights (Q, k)."""
    share = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
    found: Prob = np.einsum("qk,qko->qo", share, wanted)
    return found


def _vote(weight: Prob, emotion: Index, num_emotions: int) -> Prob:
    """(Q, K) shares of the weights (Q, k) that fall on each emotion; zeros where nobody votes."""
    queries = np.repeat(np.arange(len(weight)), weight.shape[1])
    flat = queries * num_emotions + emotion.ravel()
    total = np.bincount(flat, weight.ravel(), minlength=len(weight) * num_emotions)
    table = total.reshape(len(weight), num_emotions)
    return table / np.maximum(table.sum(axis=1, keepdims=True), 1e-300)
