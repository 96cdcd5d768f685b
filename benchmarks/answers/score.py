"""A table of answers scored against what a dataset claims.

| metric | what it is |
|---|---|
| accuracy | share of pictures whose label the answer names; refusals and answers outside the |
|  | vocabulary are wrong, and an answer that names t labels is right with 1/t |
| macro_f1 | mean over the labels that occur |
| refused, off_vocabulary, several | shares of the answers |
| coverage | share of the dataset's pictures that were answered about; the others do not count |
| brier, ece, auroc, aurc | of the confidence, where given (`benchmarks.answers.confidence`) |
| consistency, position_bias | where a picture was asked several times, or with options |
| n_equivalent | how many people the model is worth (`benchmarks.people.ceiling`), where votes are |

Shapes: M pictures, A answers (several per picture where there are repeats), K labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.answers import outcomes
from benchmarks.answers.confidence import METRICS, Confidence
from benchmarks.answers.files import Answer, AnswerTable
from benchmarks.answers.outcomes import EXTRA, Outcomes
from benchmarks.answers.words import rule, rule_sha256
from benchmarks.people import beside, truth
from benchmarks.people.truth import Truth
from benchmarks.results import number_metrics
from benchmarks.results.predictions import JOIN, Predictions
from benchmarks.results.result import describe
from emo8.core.stats import interval95, wilson

Array = npt.NDArray[np.float64]
RESAMPLES = 1000
PROTOCOL = "answers"


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """The answers that mean a row, and the rows they mean."""

    answers: list[Answer]  # (A,)
    row: npt.NDArray[np.int64]  # (A,) which of the M pictures
    weight: Array  # (A,) one over the number of times its picture was asked
    truth: Truth  # M pictures
    coverage: float
    notes: tuple[str, ...]


def score(
    table: AnswerTable,
    known: Truth,
    *,
    model: str,
    seed: int = 0,
    resamples: int = RESAMPLES,
    labels: str = "counted",
) -> tuple[dict[str, Any], Predictions]:
    """The result line of one table of answers, and what was said about each picture."""
    asked = _matched(table, known)
    found: dict[str, Any] = {"n": len(asked.truth.ids), "left_out": known.left_out}
    notes = [*known.rows.notes, *table.notes, *asked.notes]
    if asked.truth.names:
        told = outcomes.understand(asked.answers, asked.truth.names)
        found |= _labels(asked, told, seed, resamples)
        named = _per_picture(asked, told)[:, : len(asked.truth.names)]
        people, said = beside.compare(asked.truth.votes, named, seed, resamples)
        found["metrics"] |= people.pop("metrics", {})
        found["interval95"] |= people.pop("interval95", {})
        found |= people
        notes += [*said, *_notes(told)]
        predictions = _predictions(asked, told)
        task = None
    else:
        predictions, task = _scales(asked, found), "regression"
    found["notes"] = notes
    about = {
        "model": model, "dataset": known.rows.name, "protocol": PROTOCOL, "group": None,
        "seed": seed, "settings": {"rule": rule()["version"], "rule_sha256": rule_sha256()},
        "labels": labels, "model_sha256": table.sha256, "dataset_sha256": known.sha256(),
        **({"task": task} if task else {}),
    }  # fmt: skip
    return describe(about, found, []), predictions


def _matched(table: AnswerTable, known: Truth) -> _Asked:
    place = truth.places(known, [one.key for one in table.answers], str(table.path))
    strange = int((place < 0).sum())
    notes = [f"{strange} answers are about no row whose label counts"] if strange else []
    among = np.zeros(len(known.ids), dtype=bool)
    among[place[place >= 0]] = True
    base, where = len(among), ""
    split = np.array([known.rows.split[row] or "" for row in known.index])
    of_answers = set(split[among].tolist())
    if len(of_answers) == 1 and of_answers != {""}:
        (name,) = of_answers
        base, where = int((split == name).sum()), f" of split {name}"
    if among.sum() < base:
        missing = base - int(among.sum())
        notes.append(f"{missing} of {base} pictures{where} have no answer and do not count")
    new_place = np.where(among, among.cumsum() - 1, -1)
    kept = [one for one, row in zip(table.answers, place, strict=True) if row >= 0]
    row = new_place[place[place >= 0]]
    weight = 1 / np.bincount(row, minlength=int(among.sum()))[row]
    return _Asked(
        answers=kept, row=row, weight=weight, truth=known.only(among), notes=tuple(notes),
        coverage=float(among.sum() / base),
    )  # fmt: skip


def _per_picture(asked: _Asked, told: Outcomes) -> Array:
    """(M, K + 2) mean outcome of each picture over its repeats."""
    found = np.zeros((len(asked.truth.ids), told.shares.shape[1]))
    np.add.at(found, asked.row, told.shares * asked.weight[:, None])
    return found


def _labels(asked: _Asked, told: Outcomes, seed: int, resamples: int) -> dict[str, Any]:
    names, label = asked.truth.names, asked.truth.label
    shares = _per_picture(asked, told)
    right = shares[np.arange(len(label)), label]
    metrics = {
        "accuracy": right.mean(),
        "macro_f1": 0.0,
        "refused": shares[:, len(names) + EXTRA.index("refused")].mean(),
        "off_vocabulary": shares[:, len(names) + EXTRA.index("off_vocabulary")].mean(),
        "several": told.several / len(asked.answers),
        "coverage": asked.coverage,
    }
    metrics["macro_f1"], intervals = _intervals(shares, label, seed, resamples)
    support = np.bincount(label, minlength=len(names))
    occur = np.flatnonzero(support)
    more, curve = _confidence(asked, told, seed, resamples, intervals)
    table = np.zeros((len(names), shares.shape[1]))
    np.add.at(table, label, shares)
    answered: dict[str, Any] = {
        "metrics": {k: _rounded(v) for k, v in (metrics | more | _repeats(asked, told)).items()},
        "interval95": {k: [_rounded(end) for end in ends] for k, ends in intervals.items()},
        "recall": {names[k]: round(float(table[k, k] / support[k]), 6) for k in occur},
        "support": {names[k]: int(support[k]) for k in occur},
        "confusion": table.round(3).tolist(),
        "emotions": list(names),
        "confusion_columns": [*names, *EXTRA],
        "baselines": {
            "chance": round(1 / len(names), 6),
            "majority": round(float(support.max() / support.sum()), 6),
        },
        "understood": told.how,
    }
    if curve:
        answered["risk_coverage"] = curve
    answered |= _groups(asked.truth, right)
    return answered | _distributions(asked, told)


def _intervals(
    shares: Array, label: npt.NDArray[np.int64], seed: int, resamples: int
) -> tuple[float, dict[str, tuple[float, float]]]:
    """Macro F1, and the 95% intervals of accuracy and macro F1 over pictures.

    Pictures with equal label and outcome are one cell of a multinomial: no picture is touched.
    """
    num_labels = shares.shape[1] - len(EXTRA)
    lines, counts = np.unique(np.column_stack([label, shares]), axis=0, return_counts=True)
    named, true = lines[:, 1 : 1 + num_labels], np.eye(num_labels)[lines[:, 0].astype(int)]
    rng = np.random.default_rng([seed, 95])
    n = int(counts.sum())
    drawn = np.vstack([counts, rng.multinomial(n, counts / n, size=resamples)]).astype(float)
    right, said, is_true = drawn @ (named * true), drawn @ named, drawn @ true
    f1 = 2 * right / np.maximum(said + is_true, 1e-12)
    occurs = is_true > 0
    macro = (f1 * occurs).sum(axis=1) / occurs.sum(axis=1)
    accuracy = right.sum(axis=1) / n
    return float(macro[0]), {
        "accuracy": interval95(accuracy[1:]),
        "macro_f1": interval95(macro[1:]),
    }


def _confidence(
    asked: _Asked,
    told: Outcomes,
    seed: int,
    resamples: int,
    intervals: dict[str, tuple[float, float]],
) -> tuple[dict[str, float], list[tuple[float, float]]]:
    """Metrics of the confidence, their intervals put into `intervals`, and risk over coverage."""
    sure = np.isfinite(told.confidence)
    if not sure.any():
        return {}, []
    right = told.shares[np.arange(len(sure)), asked.truth.label[asked.row]]
    measured = Confidence(told.confidence[sure], right[sure])
    intervals |= measured.intervals(seed, resamples)
    values = measured.measure(np.ones(int(sure.sum())))
    metrics = dict(zip(METRICS, values, strict=True))
    return {**metrics, "with_confidence": float(sure.mean())}, measured.curve()


def _repeats(asked: _Asked, told: Outcomes) -> dict[str, float]:
    """How often two askings about a picture agree, and how uneven the answers' places are.

    position_bias is half the summed gap between the shares of the places at which the answers
    stood and even shares: 0 = no place is preferred, 1 - 1/K = always the same of K places. It
    says something only where options were shuffled.
    """
    found = {}
    times = np.bincount(asked.row)
    if times.max() > 1:
        total = np.zeros((len(times), told.shares.shape[1]))
        np.add.at(total, asked.row, told.shares)
        own = np.bincount(asked.row, (told.shares**2).sum(axis=1))
        several = times > 1
        pairs = times * (times - 1.0)
        agree = ((total**2).sum(axis=1) - own)[several] / pairs[several]
        found["consistency"] = float(agree.mean())
    names = asked.truth.names
    places, even = np.zeros(len(names)), np.zeros(len(names))
    for one, shares in zip(asked.answers, told.shares, strict=True):
        offered = [option for option in one.options if option in names]
        own = np.array([shares[names.index(option)] for option in offered])
        if own.sum() > 0:
            places[: len(own)] += own / own.sum()
            even[: len(own)] += 1 / len(own)
    if places.sum() > 0:
        found["position_bias"] = float(np.abs(places - even).sum() / 2 / places.sum())
    return found


def _groups(known: Truth, right: Array) -> dict[str, Any]:
    """Accuracy by style and by number of people shown, where the dataset knows them."""
    found: dict[str, Any] = {}
    styles, people = known.column("style"), known.num_people()
    if styles is not None:
        found["per_style"] = _by([style or "none" for style in styles], right)
    if people is not None:
        shown = ["unknown" if n is None else str(n) if n < 3 else "3 or more" for n in people]
        found["per_people"] = _by(shown, right)
    return found


def _by(groups: Sequence[str], right: Array) -> dict[str, dict[str, Any]]:
    named = np.array(groups)
    found = {}
    for group in sorted(set(groups)):
        own = right[named == group]
        low, high = wilson(round(float(own.sum())), len(own))
        found[group] = {
            "accuracy": round(float(own.mean()), 6),
            "n": len(own),
            "interval95": [round(low, 6), round(high, 6)],
        }
    return found


def _distributions(asked: _Asked, told: Outcomes) -> dict[str, Any]:
    """Measures between the answers' distributions and the shares of people's votes."""
    shares = asked.truth.rows.shares
    if shares is None:
        return {}
    place = [shares.names.index(n) for n in asked.truth.names if n in shares.names]
    known = asked.truth.numbers(shares)[asked.row][:, place]
    if len(place) < len(asked.truth.names):
        return {}
    both = np.isfinite(known).all(axis=1) & np.isfinite(told.prob).all(axis=1)
    both &= np.nansum(known, axis=1) > 0
    if not both.any():
        return {}
    measured = number_metrics.measure("distribution", known[both], told.prob[both])
    return {"distribution": {k: _rounded(v) for k, v in measured.items()} | {"n": int(both.sum())}}


def _scales(asked: _Asked, found: dict[str, Any]) -> Predictions:
    """Metrics of valence, arousal and dominance, put into `found`; of several askings, the mean."""
    scales = asked.truth.rows.scales
    assert scales is not None
    wanted = [[a.scales.get(n, np.nan) for n in scales.names] for a in asked.answers]
    said = np.array(wanted).reshape(len(wanted), len(scales.names))
    known_all = np.isfinite(said).all(axis=1)
    total, times = np.zeros((2, len(asked.truth.ids), len(scales.names)))
    np.add.at(total, asked.row[known_all], said[known_all])
    np.add.at(times, asked.row[known_all], 1)
    given = np.divide(total, times, out=np.full_like(total, np.nan), where=times > 0)
    known = asked.truth.numbers(scales)
    both = np.isfinite(given).all(axis=1)
    measured = number_metrics.measured("regression", known[both], given[both]) if both.any() else {}
    metrics = measured.get("metrics", {}) | {
        "refused": round(float(1 - both.mean()), 6), "coverage": round(asked.coverage, 6)
    }  # fmt: skip
    found |= {"metrics": metrics, "interval95": measured.get("interval95", {})}
    found["emotions"] = list(scales.names)
    ids = [key for key, ok in zip(asked.truth.ids, both, strict=True) if ok]
    return Predictions(
        ids=ids, names=scales.names, prob=given[both][None], task="regression", values=known[both],
        fold=np.zeros(len(ids), dtype=np.int64),
    )  # fmt: skip


def _predictions(asked: _Asked, told: Outcomes) -> Predictions:
    """What was said about each picture; of several askings, the mean."""
    names = asked.truth.names
    shares = _per_picture(asked, told)
    prob = np.zeros((len(asked.truth.ids), len(names)))
    given = np.where(np.isfinite(told.prob), told.prob, told.shares[:, : len(names)])
    np.add.at(prob, asked.row, given * asked.weight[:, None])
    columns = [*names, *EXTRA]
    top = shares == shares.max(axis=1, keepdims=True)
    says = [JOIN.join(columns[k] for k in np.flatnonzero(line)) for line in top]
    label = asked.truth.label
    sure = np.bincount(asked.row, told.confidence * asked.weight)  # NaN where one has none
    return Predictions(
        ids=asked.truth.ids, names=names, prob=prob[None], task="single", true=label,
        fold=np.zeros(len(label), dtype=np.int64), says=says, confidence=sure,
        right=shares[np.arange(len(label)), label],
        style=asked.truth.column("style"), num_people=asked.truth.num_people(),
    )  # fmt: skip


def _notes(told: Outcomes) -> list[str]:
    notes = []
    if told.unclear:
        notes.append(f"outside the vocabulary, commonest first: {', '.join(told.unclear)}")
    if told.unread:
        notes.append(
            f"{told.unread} lines have probs that are no shares of the labels, in their order "
            "(alphabetical) or as label: share; they are left out"
        )
    if told.several:
        notes.append(f"{told.several} answers name several labels: right with 1 / their number")
    return notes


def _rounded(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
