"""Questions of a survey: a column or field per question, several pictures on one line.

A question is known by its name (`Answer.valence2` asks for the valence of picture 2), or else by
its answers: where all are words for emotions, it asks for the emotion.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from emo8.core import label_set
from emo8.core.json_text import parse_json
from emo8.review.columns import our_column
from emo8.review.readers.base import Line, text
from emo8.review.readers.table import add_word
from emo8.review.words import Words, is_yes, number_of


@dataclass(frozen=True)
class Question:
    """What one column asks, about the picture with a number ("" where there is but one)."""

    ours: str  # a column of ours, "intensity:EMOTION", or "tick:WORD"
    number: str = ""


def question(name: str, answers: Iterable[str], words: Words) -> Question | None:
    """What a column asks; None for one that no vote can be made of."""
    base, number = _numbered(name)
    ours = our_column(base)
    head, _, last = name.rpartition(".")
    given = list(dict.fromkeys(answer for answer in answers if answer))
    if head and words.knows(last) and all(one.lower() in _TICKS for one in given):
        return Question(f"tick:{last}", _numbered(head)[1])
    if ours in label_set.emotions():
        ticks = all(one.lower() in _TICKS for one in given)
        return Question(f"tick:{ours}" if ticks else f"intensity:{ours}", number)
    if ours:
        return Question(ours, number)
    if given and all(_is_emotion(one, words) for one in given):
        return Question("emotion", number)
    if given and all(_is_style(one) for one in given):
        return Question("style_vote", number)
    return None


def put(line: Line, asked: Question, answer: str) -> None:
    """Add an answer to a line of ours."""
    kind, _, word = asked.ours.partition(":")
    if not answer:
        return
    if kind == "tick":
        if is_yes(answer):
            line["emotion"] = add_word(line.get("emotion", ""), word)
    else:
        line[asked.ours] = answer


def flat(value: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a form that was sent as JSON: `{"emotion": {"label": "awe"}, "valence": 7}`.

    Radio buttons come as `{"emotion": {"awe": true, "fear": false}}`.
    """
    found = {}
    for name, said in value.items():
        if isinstance(said, Mapping):
            if set(said) <= {"label", "labels"} and said:
                said = next(iter(said.values()))
            else:
                said = [word for word, ticked in said.items() if ticked is True or ticked == "true"]
                said = said[0] if len(said) == 1 else said
        found[name] = "" if said == [] else text(said)
    return found


def forms(answer: str) -> list[dict[str, str]]:
    """The forms in a cell of JSON, one per picture; ValueError for what is none."""
    value = parse_json(answer)
    return [flat(one) for one in (value if isinstance(value, list) else [value])]


_TICKS = frozenset({"yes", "no", "true", "false", "1", "0", "on", "off"})


def _numbered(name: str) -> tuple[str, str]:
    """`Answer.emotion_12` -> (`Answer.emotion`, `12`)."""
    found = re.fullmatch(r"(.*?[A-Za-z])[_.\s-]?(\d+)", name)
    return (found[1], found[2]) if found else (name, "")


def _is_emotion(answer: str, words: Words) -> bool:
    return number_of(answer) is None and all(words.knows(word) for word in words.split(answer))


def _is_style(answer: str) -> bool:
    try:
        label_set.parse_style(answer)
    except ValueError:
        return False
    return True
