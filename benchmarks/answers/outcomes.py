"""What each answer comes to: shares of the labels it names, refused, or outside the vocabulary.

Shapes: A answers, K labels. Columns of outcomes are the K labels, then off_vocabulary, refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.answers import words
from benchmarks.answers.files import Answer
from benchmarks.answers.words import Meaning, Vocabulary

Array = npt.NDArray[np.float64]
EXTRA = ("off_vocabulary", "refused")  # columns behind the labels


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """All answers, understood."""

    shares: Array  # (A, K + 2), lines sum to one; several names share evenly
    prob: Array  # (A, K) distributions as given; NaN where there is none
    confidence: Array  # (A,) NaN where there is none
    how: dict[str, int]  # exact, inflection, synonym, distribution -> answers
    several: int  # answers that name more than one label
    unclear: tuple[str, ...]  # the commonest texts outside the vocabulary
    unread: int  # `probs` that are no distribution over these labels


def understand(answers: Sequence[Answer], names: Sequence[str]) -> Outcomes:
    """The outcomes of answers about a label set."""
    known = words.vocabulary(names)
    shares = np.zeros((len(answers), len(names) + len(EXTRA)))
    prob = np.full((len(answers), len(names)), np.nan)
    sure = np.full(len(answers), np.nan)
    how: Counter[str] = Counter()
    unclear: Counter[str] = Counter()
    unread = 0
    meanings: dict[tuple[str, tuple[str, ...]], Meaning] = {}
    for number, one in enumerate(answers):
        given = distribution(one.probs, known)
        unread += one.probs is not None and given is None
        if given is None:
            given = distribution(one.answer, known)
        meaning = _meaning(one, known, given, meanings)
        if given is not None:
            prob[number] = given
        if meaning.kind == words.NAMED:
            shares[number, [names.index(n) for n in meaning.names]] = 1 / len(meaning.names)
            how[meaning.how] += 1
        else:
            shares[number, len(names) + EXTRA.index(meaning.kind)] = 1
            if meaning.kind == words.OFF_VOCABULARY:
                unclear[str(one.answer)[:60]] += 1
        if meaning.kind != words.REFUSED:
            top = np.nan if given is None else float(given.max())
            sure[number] = top if one.confidence is None else one.confidence
    return Outcomes(
        shares=shares,
        prob=prob,
        confidence=sure,
        how=dict(sorted(how.items())),
        several=int(((shares > 0).sum(axis=1) > 1).sum()),
        unread=unread,
        unclear=tuple(f"{text!r} x {count}" for text, count in unclear.most_common(5)),
    )


def _meaning(
    one: Answer,
    known: Vocabulary,
    given: Array | None,
    meanings: dict[tuple[str, tuple[str, ...]], Meaning],
) -> Meaning:
    """What one line says: its answer where it has one, else the likeliest label of its shares."""
    answer = one.answer
    if isinstance(answer, Mapping) and given is None:
        answer = next((answer[key] for key in ("answer", "emotion", "label") if key in answer), "")
    if given is not None and (answer is None or isinstance(answer, Mapping) or _numbers(answer)):
        return _likeliest(given, known)
    if isinstance(answer, (list, tuple)):
        return _joined([words.understand(str(part), known, one.options) for part in answer])
    text = "" if answer is None else str(answer)
    key = (text, one.options)
    if key not in meanings:  # models repeat themselves
        meanings[key] = words.understand(text, known, one.options)
    return meanings[key]


def _likeliest(given: Array, known: Vocabulary) -> Meaning:
    best = np.flatnonzero(given == given.max())
    if given.max() < 1 - given.sum() - 1e-9:  # most of it lies on labels outside the vocabulary
        return Meaning(kind=words.OFF_VOCABULARY)
    names = tuple(known.names[k] for k in best)
    return Meaning(kind=words.NAMED, names=names, how="distribution")


def _joined(parts: Sequence[Meaning]) -> Meaning:
    names = dict.fromkeys(name for part in parts for name in part.names)
    if names:
        return Meaning(kind=words.NAMED, names=tuple(names), how=max(p.how for p in parts))
    refused = not parts or any(part.kind == words.REFUSED for part in parts)
    return Meaning(kind=words.REFUSED if refused else words.OFF_VOCABULARY)


def distribution(cell: Any, known: Vocabulary) -> Array | None:
    """(K,) shares from a dict of labels or a list in the order of the labels; None if it is none.

    Shares are made to sum to one over everything named, labels outside the vocabulary included.
    """
    if isinstance(cell, Mapping):
        pairs = [(str(k), v) for k, v in cell.items() if isinstance(v, Real) or v is None]
        if not pairs or len(pairs) < len(cell):
            return None
    elif _numbers(cell) and len(cell) == len(known.names):
        pairs = list(zip(known.names, cell, strict=True))
    else:
        return None
    values = np.array([0.0 if v is None else float(v) for _, v in pairs])
    if not np.isfinite(values).all() or (values < 0).any() or values.sum() <= 0:
        return None
    shares = np.zeros(len(known.names))
    for (label, _), value in zip(pairs, values / values.sum(), strict=True):
        meaning = words.understand(label, known)
        for name in meaning.names:
            shares[known.names.index(name)] += value / len(meaning.names)
    return shares


def _numbers(cell: Any) -> bool:
    return (
        isinstance(cell, (list, tuple))
        and bool(cell)
        and all(isinstance(v, Real) and not isinstance(v, bool) for v in cell)
    )
