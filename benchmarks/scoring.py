"""One plan scored: predictions of every fold, pooled, measured once, with the baselines beside."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.features.backbones import Backbone, Features
from benchmarks.features.pictures import Pictures
from benchmarks.problem import folds
from benchmarks.problem.folds import FoldPlan, Index
from benchmarks.problem.tasks import CLASS_TASKS, Targets
from benchmarks.protocols.base import Prob, Problem
from benchmarks.results import metrics, number_metrics
from benchmarks.results.predictions import Predictions
from benchmarks.results.result import baselines
from emo8.core.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Work:
    """Everything one result is made from."""

    module: Any  # the protocol
    settings: Any
    plan: FoldPlan
    data: folds.Rows  # N usable rows
    targets: Targets  # of all rows of the dataset
    index: list[int]  # (N,) which of those
    ids: list[str]  # (N,)
    features: Features  # (N, D)
    backbone: Backbone
    pictures: Pictures
    seed: int
    save: Path | None
    styles: list[str | None] | None = None  # (N,) where the dataset has them
    num_people: list[int | None] | None = None  # (N,) shown, where the dataset knows


def score(work: Work) -> tuple[dict[str, Any], Predictions]:
    """What was found, and the predictions it was found from.

    The labels to choose from are those of the rows in the folds; where nothing is learnt, those
    of all counted rows, so that a left-out group is asked about the whole label set.
    """
    problem = _problem(work)
    prob: list[Prob] = []
    chosen: list[dict[str, Any]] = []
    notes = list(work.plan.notes)
    for fold in work.plan.folds:
        part = replace(problem, train=fold.train, valid=fold.valid, test=fold.test)
        prediction = work.module.predict(part, work.settings)
        if not np.isfinite(prediction.prob).all():
            raise ModelError(
                f"{work.backbone.name}: the answers of this protocol are not all numbers, so "
                "training diverged: try a lower lr with --set."
            )
        prob.append(prediction.prob)
        chosen.append(prediction.chosen)
        notes += prediction.notes
    if work.save is not None:
        notes.append(_save(work, problem))
    test = np.concatenate([fold.test for fold in work.plan.folds])
    fold_of = np.repeat(np.arange(len(prob)), [p.shape[1] for p in prob])
    return _measured(work, problem, test, np.concatenate(prob, axis=1), fold_of, chosen, notes)


def _problem(work: Work) -> Problem:
    data, plan = work.data, work.plan
    values = None
    if work.targets.values is not None:
        names, values = work.targets.names, work.targets.values[work.index]
        strata = sorted(set(data.emotion.tolist()))
    else:
        in_folds = np.concatenate([np.concatenate([f.train, f.test]) for f in plan.folds])
        named = data.emotion[in_folds] if work.module.LEARNS else data.emotion
        names = tuple(sorted(set(named.tolist())))
        strata = list(names)
    numbers = {name: number for number, name in enumerate(strata)}
    target = np.array([numbers.get(name, -1) for name in data.emotion.tolist()], dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int64)
    return Problem(
        features=work.features,
        target=target,
        emotions=names,
        train=nothing,
        valid=nothing,
        test=nothing,
        blocks=data.cluster if plan.blocks is None else plan.blocks,
        seed=work.seed,
        backbone=work.backbone,
        task=work.targets.task,
        values=values,
        pictures=work.pictures,
    )


def _save(work: Work, problem: Problem) -> str:
    """Trains once more on every row of the plan where there were folds, and keeps the model."""
    plan = work.plan.folds
    used = np.unique(np.concatenate([np.concatenate([f.train, f.valid, f.test]) for f in plan]))
    own = len(plan) == 1
    train = np.concatenate([plan[0].train, plan[0].valid]) if own else used
    empty = train[:0]
    work.module.predict(
        replace(problem, train=train, valid=empty, test=train[:1], save=work.save), work.settings
    )
    what = "the training rows" if own else "all rows: its accuracy is that of the folds"
    return f"saved model trained on {what}"


def _measured(
    work: Work,
    problem: Problem,
    test: Index,
    prob: Prob,
    fold_of: Index,
    chosen: list[dict[str, Any]],
    notes: list[str],
) -> tuple[dict[str, Any], Predictions]:
    names, task = problem.emotions, problem.task
    is_class = task in CLASS_TASKS
    true = problem.target[test] if is_class else None
    values = None if problem.values is None else problem.values[test]
    found: dict[str, Any] = {
        "n": len(test),
        "n_train": round(float(np.mean([len(fold.train) for fold in work.plan.folds]))),
    }
    if true is not None:
        found |= asdict(metrics.score(true, prob, names, seed=work.seed))
        found["baselines"] = baselines(work.plan, problem.target, len(names))
        if work.styles is not None:
            found["per_style"] = _per_style([work.styles[i] for i in test], true, prob)
    else:
        assert problem.values is not None
        scores, simple = number_metrics.score(task, problem.values, test, prob, work.plan, names)
        found |= scores
        found["baselines"] = simple
    found |= {"emotions": list(names), "chosen": chosen, "notes": list(dict.fromkeys(notes))}
    ids = [work.ids[i] for i in test]
    predictions = Predictions(
        ids=ids,
        names=names,
        prob=prob,
        fold=fold_of,
        task=task,
        true=true,
        values=values,
        style=None if work.styles is None else [work.styles[i] for i in test],
        num_people=None if work.num_people is None else [work.num_people[i] for i in test],
    )
    return found, predictions


def _per_style(styles: list[str | None], true: Index, prob: Prob) -> dict[str, dict[str, float]]:
    """Accuracy and number of test rows of each style, mean over repeats."""
    right = (prob.argmax(axis=2) == true).mean(axis=0)
    named = np.array([style or "none" for style in styles])
    return {
        style: {
            "accuracy": round(float(right[named == style].mean()), 6),
            "n": int((named == style).sum()),
        }
        for style in sorted(set(named.tolist()))
    }
