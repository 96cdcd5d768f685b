"""What people reach, put beside what a model reached on the same pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.people import ceiling
from benchmarks.people.ceiling import Ceiling
from benchmarks.people.votes import NO_VOTES, Votes
from benchmarks.results.predictions import Predictions
from benchmarks.results.result import describe as describe_result
from emo8.core.errors import SourceError
from emo8.core.stats import RESAMPLES

if TYPE_CHECKING:
    from benchmarks.people.truth import Truth

PERSON = "one person (average)"
MEANINGS = {
    "person": "one person against the majority of the others",
    "leave_one_out": "the majority of the others against one person's answer",
    "split_half": "the majority of half the people against that of the other half",
    "split_half_bound": "no model does better against a majority of half the people",
    "ceiling": "a perfect model against the majority of all people asked",
}
Array = npt.NDArray[np.float64]


def compare(
    votes: Votes | None, answers: Array, seed: int, resamples: int
) -> tuple[dict[str, Any], list[str]]:
    """Parts of a result line: `people`, and n_equivalent with its interval; and notes.

    `answers` (N, K) are shares of the labels each picture's answer names, NaN where none was asked
    for; the first K labels of the votes are those. Empty where no picture has two people's votes.
    """
    if votes is None:
        return {}, []
    try:
        reached = ceiling.measure(votes, seed=seed, resamples=resamples)
    except SourceError as error:
        return {}, [str(error)]
    own = np.zeros((len(answers), len(votes.names)))
    own[:, : answers.shape[1]] = answers
    return _worth(reached, votes, own, seed, resamples), [*votes.notes]


def _worth(
    reached: Ceiling, votes: Votes, answers: Array, seed: int, resamples: int
) -> dict[str, Any]:
    worth, ends = ceiling.n_equivalent(reached, votes, answers, seed=seed, resamples=resamples)
    found: dict[str, Any] = {"people": describe(reached)}
    if np.isfinite(worth):
        found["metrics"] = {"n_equivalent": round(worth, 4)}
        found["interval95"] = {"n_equivalent": [round(end, 4) for end in ends]}
    return found


class Beside:
    """What people reach beside the results of a run; pictures asked about twice count once."""

    def __init__(self, votes: Votes | None, ids: Sequence[str], seed: int = 0) -> None:
        self._votes, self._seed = votes, seed
        self._place = {key: row for row, key in enumerate(ids)}
        self._reached: dict[bytes, Ceiling] = {}

    def add_to(self, found: dict[str, Any], said: Predictions) -> None:
        """Put `people` and n_equivalent into what was found, where anybody voted."""
        if self._votes is None or said.true is None:
            return
        rows = np.array([self._place[key] for key in said.ids])
        answers = np.full((len(self._place), len(self._votes.names)), np.nan)
        answers[rows] = 0
        named = [self._votes.names.index(name) for name in said.names]
        for prob in said.prob:
            answers[rows, np.array(named)[prob.argmax(axis=1)]] += 1 / len(said.prob)
        keep = np.isfinite(answers).all(axis=1)
        votes, key = self._votes.only(keep), keep.tobytes()
        try:
            if key not in self._reached:
                self._reached[key] = ceiling.measure(votes, seed=self._seed)
        except SourceError:
            return  # nobody's votes can be compared on these pictures
        worth = _worth(self._reached[key], votes, answers[keep], self._seed, RESAMPLES)
        found["people"] = worth.pop("people")
        for part, values in worth.items():
            found[part] |= values


def describe(reached: Ceiling) -> dict[str, Any]:
    """A ceiling as JSON values."""
    return {
        "n": reached.n,
        "votes": dict(zip(("fewest", "median", "most"), reached.people, strict=True)),
        "metrics": reached.metrics,
        "interval95": {name: list(ends) for name, ends in reached.interval95.items()},
        "agreement": list(reached.agreement),
    }


def result(known: Truth, *, seed: int = 0, resamples: int = 1000) -> dict[str, Any]:
    """What people reach on a dataset as a result line: an average person is its model."""
    if known.votes is None:
        raise SourceError(f"{known.rows.origin} {NO_VOTES}.")
    reached = ceiling.measure(known.votes, seed=seed, resamples=resamples)
    people = describe(reached)
    asked = {
        "model": PERSON, "dataset": known.rows.name, "protocol": "people", "group": None,
        "seed": seed, "settings": {"resamples": resamples}, "dataset_sha256": known.sha256(),
        "votes_sha256": hashlib.sha256(known.votes.counts.tobytes()).hexdigest(),
    }  # fmt: skip
    person = people["metrics"]["person"]
    found = {
        "n": reached.n,
        "metrics": {**people["metrics"], "accuracy": person},
        "interval95": {**people["interval95"], "accuracy": people["interval95"]["person"]},
        "people": people,
        "notes": [*known.rows.notes, *known.votes.notes],
    }
    return describe_result(asked, found, [])


def text(found: dict[str, Any]) -> str:
    """A result of `result` for people."""
    people = found["people"]
    votes = people["votes"]
    lines = [
        f"{found['dataset']}: {people['n']} pictures with {votes['fewest']} to {votes['most']} "
        f"votes (median {votes['median']})"
    ]
    for name, meaning in MEANINGS.items():
        low, high = people["interval95"][name]
        value = people["metrics"][name]
        lines.append(f"  {name:<17} {value:.3f} [{low:.3f}, {high:.3f}]  {meaning}")
    shown = ", ".join(f"{m}: {value:.3f}" for m, value in enumerate(people["agreement"]))
    lines.append(f"  agreement of the majority of n people with one more: {shown}")
    return "\n".join([*lines, *(f"  note: {note}" for note in found["notes"])])
