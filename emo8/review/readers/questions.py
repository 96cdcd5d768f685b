"""Questions of a survey: a column or field per question, several pictures on one line.

A question is known by its name (`Answer.valence2` asks for the valence of picture 2), or else by
its answers: where all are words for emotions, it asks for the emotion. Questions named like
emotions are all tick boxes or all ratings: on a scale from 0 to 5, some get no answer but 0 and 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emo8.core import label_set
from emo8.core.json_text import parse_json
from emo8.review.columns import our_column
from emo8.review.readers.base import Line, text
from emo8.review.readers.table import add_word, is_tick_box
from emo8.review.words import Words, is_yes, number_of


@dataclass(frozen=True)
class Question:
    """What one column asks, about the picture with a number ("" where there is but one)."""

    ours: str  # a column of ours, "intensity:EMOTION", or "tick:WORD"
    number: str = ""


def questions(said: Mapping[str, Sequence[str]], words: Words) -> dict[str, Question | None]:
    """What each of the columns of a form asks, by their answers; None as in `question`."""
    rated = rates_emotions(said)
    return {name: question(name, answers, words, rated) for name, answers in said.items()}


def rates_emotions(said: Mapping[str, Sequence[str]]) -> bool:
    """Whether any column named like an emotion holds more than ticks."""
    named = (list(answers) for name, answers in said.items()
             if our_column(_numbered(name)[0]) in label_set.emotions())  # fmt: skip
    return not all(map(is_tick_box, named))


def question(
    name: str, answers: Sequence[str], words: Words, rated: bool = False
) -> Question | None:
    """What a column asks; None for one that no vote can be made of.

    `rated` says that the form rates how strong emotions are, and ticks none.
    """
    base, number = _numbered(name)
    ours = our_column(base)
    head, _, last = name.rpartition(".")
    given = list(dict.fromkeys(answer for answer in answers if answer))
    if head and not rated and words.knows(last) and is_tick_box(given):
        return Question(f"tick:{last}", _numbered(head)[1])
    if ours in label_set.emotions():
        return Question(f"intensity:{ours}" if rated else f"tick:{ours}", number)
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
