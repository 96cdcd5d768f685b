"""Few-shot: k labelled pictures per emotion, drawn several times, and a logistic regression.

Features at length one and C = 1, the plain baseline of Tian et al. (2020), "Rethinking few-shot
image classification: a good embedding is all you need?", ECCV. Nothing is searched, because with
a handful of pictures there is nothing to search on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.problem.folds import Index
from benchmarks.protocols import regression
from benchmarks.protocols.base import (
    Prediction,
    Problem,
    few_threads,
    require_positive,
    spread,
    unit,
)

LEARNS = True


@dataclass(frozen=True, kw_only=True)
class Settings:
    shots: int = 5  # pictures per emotion
    draws: int = 10  # times that pictures are drawn
    c: float = 1.0  # scikit-learn's C
    max_iterations: int = 1000

    def __post_init__(self) -> None:
        require_positive(self)


def predict(problem: Problem, settings: Settings) -> Prediction:
    """One repeat per draw: probabilities of a regression on the drawn rows alone."""
    from sklearn.linear_model import LogisticRegression

    features = unit(problem.features)
    prob = []
    with few_threads(features[: len(problem.emotions) * settings.shots]):
        for draw in range(settings.draws):
            rows = _draw(problem, settings.shots, draw)
            if problem.values is not None:
                unit_problem = replace(problem, features=features)
                strength = 1 / (settings.c * len(rows))
                asked = regression.fit(unit_problem, rows, strength, settings.max_iterations)
                prob.append(asked(features[problem.test]))
                continue
            model = LogisticRegression(C=settings.c, max_iter=settings.max_iterations)
            model.fit(features[rows], problem.target[rows])
            found = model.predict_proba(features[problem.test]).astype(np.float64)
            prob.append(spread(found, model.classes_, len(problem.emotions)))
    if problem.values is not None:
        return Prediction(prob=np.stack(prob))
    counts = np.bincount(problem.target[problem.train], minlength=len(problem.emotions))
    few = [
        f"{name}: {count} of {settings.shots} shots"
        for name, count in zip(problem.emotions, counts, strict=True)
        if count < settings.shots
    ]
    return Prediction(prob=np.stack(prob), notes=tuple(few))


def _draw(problem: Problem, shots: int, draw: int) -> Index:
    """At most `shots` training rows of each emotion, drawn by seed and number of the draw."""
    rng = np.random.default_rng([problem.seed, draw])
    if problem.values is not None:  # `shots` rows that have each label
        drawn = [
            rng.permutation(problem.train[problem.wanted[problem.train, label] > 0])[:shots]
            for label in range(problem.wanted.shape[1])
        ]
        return np.unique(np.concatenate(drawn))
    target = problem.target[problem.train]
    picked = [
        rng.permutation(problem.train[target == emotion])[:shots] for emotion in np.unique(target)
    ]
    return np.concatenate(picked)
