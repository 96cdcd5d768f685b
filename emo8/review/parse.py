"""Lines of our columns, whatever tool wrote them, become votes; every mistake has its place."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from emo8.core import label_set, schema
from emo8.core.errors import Emo8Error
from emo8.review.annotators import pseudonym
from emo8.review.find_rows import PictureIndex
from emo8.review.readers.base import Line
from emo8.review.times import Times
from emo8.review.votes import KINDS, NO_EMOTION, RATINGS, questions
from emo8.review.words import Scale, Words, parse_scale, parse_scales, polarity, yes_no

MOST_MISTAKES = 20  # shown; all are counted
_UNIT = Scale(0, 1)
_RATED = ("valence", "arousal", "dominance")


@dataclass(frozen=True, kw_only=True)
class ReadVotes:
    """Votes that were read and checked, and not imported yet."""

    batch: str  # the name the import will have, for undoing
    votes: pd.DataFrame  # in the columns of schema.VOTES
    num_unanswered: int = 0  # lines passed over
    about: str = ""  # what the file was taken for
    used: dict[str, str] = field(default_factory=dict)  # column of the file -> ours
    unused: list[str] = field(default_factory=list)  # columns that no vote is made of
    notes: list[str] = field(default_factory=list)  # what the user should know


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the meaning of a line depends on."""

    where: str  # what the lines come from, for messages
    pictures: PictureIndex
    words: Words
    salt: str
    scale: str = ""  # of ratings, where a line names none
    asks: bool = False  # a line without an answer is an unanswered question
    skip_unknown: bool = False
    damaged: tuple[str, ...] = ()  # lines that cannot be read at all


@dataclass
class _Votes:
    """Votes column by column, with the place of each."""

    columns: dict[str, list[Any]] = field(
        default_factory=lambda: {name: [] for name in schema.VOTES.names}
    )
    places: list[str] = field(default_factory=list)

    def add(self, place: str, vote: dict[str, Any]) -> None:
        for name, values in self.columns.items():
            values.append(vote.get(name))
        self.places.append(place)


def parse(lines: Iterable[tuple[str, Line]], rules: Rules, *, batch: str) -> ReadVotes:
    """The votes of `lines`, each with its place; Emo8Error with the first mistakes and their count.

    A mistake anywhere refuses everything.
    """
    reader = _Reader(rules)
    votes, mistakes, unknown, unanswered = _Votes(), list(rules.damaged), Counter[str](), 0
    for place, line in lines:
        try:
            found = reader.votes(line)
            row = rules.pictures.find(line.get("id", "")) if found else None
            if row is not None and row.id is None:
                unknown[line.get("id", "")] += 1
                if rules.skip_unknown:
                    continue
                raise ValueError(row.problem)
            base = reader.base(line, (row and row.id) or "") if found else {}
        except ValueError as error:
            mistakes.append(f"{place}: {error}")
            continue
        unanswered += not found
        for vote in found:
            votes.add(place, {**vote, **base, "batch": batch})
    times = _read_times(votes, mistakes)
    frame, notes = _one_answer_each(votes, mistakes)
    if mistakes:
        raise Emo8Error(explain(rules.where, mistakes, unknown))
    if times.guessed:
        notes.append(
            "dates like 3/4/2026 were read as month/day: nothing in the file says otherwise"
        )
    if unknown:
        notes.append(f"left out, no rows of this build: {_listed(unknown)}")
    return ReadVotes(batch=batch, votes=frame, num_unanswered=unanswered, notes=notes)


class _Reader:
    """Reads one line at a time; remembers what words and names mean."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.scales = parse_scales(rules.scale)
        self.people: dict[str, str] = {}

    def base(self, line: Line, row: str) -> dict[str, Any]:
        """What all votes of a line share; ValueError where a vote is nobody's."""
        name = line.get("annotator", "")
        if name not in self.people:
            if not name:
                raise ValueError("no annotator; who voted? --annotator NAME stands in")
            plain = name[:-2] if name.endswith(".0") and name[:-2].isdigit() else name
            self.people[name] = pseudonym(plain, self.rules.salt)
        return {
            "id": row,
            "annotator": self.people[name],
            "consent": yes_no("consent", line.get("consent", "")),
            "time": line.get("time", ""),  # read once all are known
        }

    def votes(self, line: Line) -> list[dict[str, Any]]:
        """The votes of a line without row and annotator; none if unanswered; else ValueError."""
        kind = line.get("kind", "").lower()
        if kind not in ("", *KINDS):
            raise ValueError(f"kind = {line['kind']!r}: one of {', '.join(KINDS)}, or nothing")
        found: list[dict[str, Any]] = []
        if kind == "reject" or yes_no("reject", line.get("reject", "")):
            found.append({"kind": "reject", "reason": line.get("reason") or None})
        else:
            found += self._emotions(line, kind)
        if style := line.get("style_vote"):
            found.append({"kind": "style", "style": label_set.parse_style(style)})
        return found + self._ratings(line)

    def _emotions(self, line: Line, kind: str) -> list[dict[str, Any]]:
        said, answer = line.get("emotion", ""), yes_no("answer", line.get("answer", ""))
        if kind in NO_EMOTION:
            return [{"kind": kind, "word": line.get("word") or None}]
        if kind in RATINGS or kind == "style" or not (said or answer is not None):
            return []
        if answer is None and self.rules.asks and kind not in ("choice", "select"):
            return []
        words = self.rules.words.split(said)
        if answer is not None:
            if len(words) != 1 or not said:
                raise ValueError("an answer without an emotion: which one was asked about?")
            meaning = self.rules.words.meaning(said)
            return [{"kind": "yes_no", "emotion": meaning.emotion, "answer": answer,
                     "word": meaning.word}]  # fmt: skip
        meanings = [self.rules.words.meaning(word) for word in words]
        if own := line.get("word"):
            meanings = [dataclasses.replace(meaning, word=own) for meaning in meanings]
        named = {meaning.emotion for meaning in meanings if meaning.emotion}
        if named and any(m.kind in ("none", "cannot_tell") for m in meanings):
            raise ValueError(f"emotion = {said!r} is both an emotion and none: keep one")
        ticked = "select" if kind == "select" or len(named) > 1 else "choice"
        return [
            {"kind": ticked if m.kind == "choice" else m.kind, "emotion": m.emotion, "word": m.word}
            for m in dict.fromkeys(meanings)
        ]

    def _ratings(self, line: Line) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if (kind := line.get("kind", "").lower()) in RATINGS and line.get("value"):
            return [self._exported(kind, line)]
        for name in _RATED:
            if said := line.get(name):
                found.append({"kind": name, **self._rating(name, said, line)})
        if said := line.get("polarity"):
            kept = said if said not in ("positive", "negative", "neutral") else None
            found.append({"kind": "polarity", "value": polarity(said), "word": kept})
        for name in label_set.emotions():
            if said := line.get(f"intensity:{name}"):
                rated = self._rating("intensity", said, line)
                found.append({"kind": "intensity", "emotion": name, **rated})
        if said := line.get("intensity"):
            emotion = self._one_emotion(line)
            if emotion is None:
                raise ValueError(f"intensity = {said!r}: of which emotion? the line names no one")
            rated = self._rating("intensity", said, line)
            found.append({"kind": "intensity", "emotion": emotion, **rated})
        return found

    def _exported(self, kind: str, line: Line) -> dict[str, Any]:
        """A rating as `emo8 review --export-votes` writes it: its value is in our unit."""
        return {
            "kind": kind,
            "emotion": self._one_emotion(line),
            "value": _UNIT.unit("value", line["value"]),
            "scale": line.get("scale") or None,
            "word": line.get("word") or None,
        }

    def _one_emotion(self, line: Line) -> str | None:
        """The emotion that a line names; None for none and for several."""
        words = self.rules.words.split(line.get("emotion", ""))
        return self.rules.words.meaning(words[0]).emotion if len(words) == 1 and words[0] else None

    def _rating(self, name: str, said: str, line: Line) -> dict[str, Any]:
        if own := line.get("scale"):
            scale = _scale(own)
        elif name in self.scales or "" in self.scales:
            scale = self.scales.get(name) or self.scales[""]
        else:
            raise ValueError(
                f"{name} = {said!r}: on which scale? say --scale {name}=1-9 (or 0 to 1, -1 to 1), "
                "or [votes] scale in the recipe"
            )
        return {"value": scale.unit(name, said), "scale": str(scale)}


_scale = lru_cache(maxsize=64)(parse_scale)


def _read_times(votes: _Votes, mistakes: list[str]) -> Times:
    """Turn the texts of the votes' times into times: when the day comes first, the file shows."""
    texts = votes.columns["time"]
    times, now = Times.of(set(texts)), datetime.now(UTC).replace(microsecond=0)
    wrong = set()
    for number, text in enumerate(texts):
        texts[number] = now
        try:
            texts[number] = times.read(text) if text else now
        except ValueError as error:
            wrong.add(f"{votes.places[number]}: {error}")
    mistakes += sorted(wrong)
    return times


def _one_answer_each(votes: _Votes, mistakes: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """One answer of each annotator to each question, and what became of the others.

    Several lines about the emotion are ticks of one answer; but where lines carry different times,
    the last one counts. Two different answers to any other question are a mistake.
    """
    frame = pd.DataFrame(votes.columns, columns=schema.VOTES.names)
    if frame.empty:
        return frame, []
    asked = questions(frame).to_numpy(object)
    keep, ticked, replaced = np.ones(len(frame), bool), [], 0
    for own in _groups(frame, asked):
        last = _latest(votes, own)
        replaced += len(last) < len(own)
        keep[own] = False
        distinct = {_said(votes, k): k for k in reversed(last)}
        kept = sorted(distinct.values())
        keep[kept] = True
        if len(kept) > 1:
            kinds = {votes.columns["kind"][k] for k in kept}
            if kinds & {"choice", "select"} and kinds <= {"choice", "select", "neutral", "other"}:
                ticked += [k for k in kept if votes.columns["kind"][k] == "choice"]
            else:
                mistakes.append(
                    f"{votes.places[kept[-1]]}: this annotator answered the same question "
                    f"({asked[kept[0]].rstrip(':')}) about this picture before, in "
                    f"{votes.places[kept[0]]}, and differently; keep one of the two"
                )
    frame.loc[ticked, "kind"] = "select"
    if frame["kind"].eq("select").any():  # then every choice of this file was a tick
        frame.loc[frame["kind"].eq("choice"), "kind"] = "select"
    notes = []
    if replaced:
        notes.append(f"{replaced} questions were answered again later: that answer counts")
    return frame[keep].reset_index(drop=True), notes


def _groups(frame: pd.DataFrame, asked: np.ndarray) -> list[list[int]]:
    """The votes of each annotator on each question, where there is more than one."""
    number = frame.groupby([frame["id"], frame["annotator"], asked], sort=False).ngroup().to_numpy()
    order = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.diff(number[order], prepend=-1))
    pieces = np.split(order, starts[1:])
    return [piece.tolist() for piece in pieces if len(piece) > 1]


def _latest(votes: _Votes, own: list[int]) -> list[int]:
    """The votes of the line with the latest time, or all where the times are equal."""
    times = [votes.columns["time"][k] for k in own]
    return [k for k, time in zip(own, times) if time == max(times)]


def _said(votes: _Votes, number: int) -> tuple[Any, ...]:
    names = ("kind", "emotion", "answer", "style", "value", "reason", "word")
    return tuple(votes.columns[name][number] for name in names)


def explain(where: str, mistakes: list[str], unknown: Counter[str]) -> str:
    """All about why nothing was imported: how many mistakes, and the first of them."""
    more = len(mistakes) - MOST_MISTAKES
    shown = [f"  {text}" for text in mistakes[:MOST_MISTAKES]]
    if more > 0:
        shown.append(f"  and {more} more")
    if unknown:
        shown.append(f"  no rows of this build: {_listed(unknown)}; --skip-unknown leaves them out")
    count = f"{len(mistakes)} mistake" + ("s" if len(mistakes) > 1 else "")
    return "\n".join([f"{where} has {count}; nothing was imported", *shown])


def _listed(unknown: Counter[str]) -> str:
    shown = ", ".join(f"{name!r} ({count})" for name, count in unknown.most_common(MOST_MISTAKES))
    more = f" and {len(unknown) - MOST_MISTAKES} more" if len(unknown) > MOST_MISTAKES else ""
    return f"{sum(unknown.values())} answers on {len(unknown)} pictures: {shown}{more}"
