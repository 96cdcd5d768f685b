"""What annotators' words mean: one of the emotions, none of them, a yes, a number on a scale.

Words outside our vocabulary are mistakes unless the recipe maps them (`[votes.words]`): which of
the emotions "joy" is, only whoever asked the question can say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from emo8.core import label_set
from emo8.core.json_text import parse_json

YES = frozenset({"yes", "y", "true", "t", "1", "1.0", "on", "x"})
NO = frozenset({"no", "n", "false", "f", "0", "0.0", "off"})
_NO_EMOTION = {
    "none": "none|no emotion|none of these|none of them|none of the above|other",
    "neutral": "neutral|neutral emotion|no feeling",
    "cannot_tell": "cannot tell|can't tell|cant tell|can not tell|cannot say|can't say|unsure|"
    "not sure|i am not sure|don't know|dont know|i don't know|do not know|unclear|undecided",
}  # fmt: skip
_MEANT = {word: kind for kind, words in _NO_EMOTION.items() for word in words.split("|")}
_POLARITY = {
    "positive": 1.0, "pos": 1.0, "pleasant": 1.0, "negative": 0.0, "neg": 0.0,
    "unpleasant": 0.0, "neutral": 0.5, "mixed": 0.5,
}  # fmt: skip
_NUMBER = r"[-+\u2212]?\d+(?:[.,]\d+)?"
_SCALE = re.compile(rf"\s*({_NUMBER})\s*(?:-|\u2013|to|\.\.+|:|,|/)\s*({_NUMBER})\s*")


@dataclass(frozen=True)
class Meaning:
    """What one word says about the emotion of a picture."""

    kind: str  # choice, or one of votes.NO_EMOTION
    emotion: str | None = None
    word: str | None = None  # the annotator's own, where it is not the emotion's name


@dataclass
class Words:
    """The vocabulary of a build, with the recipe's own words; answers are remembered."""

    mapped: Mapping[str, str] = field(default_factory=dict)
    _known: dict[str, Meaning] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mapped = {_key(word): emotion for word, emotion in self.mapped.items()}

    def meaning(self, word: str) -> Meaning:
        """The meaning of one word; ValueError for one that nobody mapped."""
        if word not in self._known:
            self._known[word] = self._look_up(word)
        return self._known[word]

    def knows(self, word: str) -> bool:
        """Whether `meaning` would find one."""
        try:
            self.meaning(word)
        except ValueError:
            return False
        return True

    def _look_up(self, word: str) -> Meaning:
        key = _key(word)
        if key in self.mapped:
            emotion = self.mapped[key]
            kept = None if key == emotion else word
            return Meaning("choice", emotion, kept) if emotion else Meaning("other", None, word)
        if key in _MEANT:
            kind = _MEANT[key]
            return Meaning(kind, None, None if key.replace(" ", "_") == kind else word)
        try:
            emotion = label_set.parse_emotion(word)
        except ValueError as error:
            raise ValueError(
                f'{error} Or say what it means: [votes.words] "{word}" = "…" ("" keeps the word '
                "and counts it for none)"
            ) from None
        return Meaning("choice", emotion, None if key == emotion else word)

    def split(self, text: str) -> list[str]:
        """The words of an answer to "select all": a JSON list, or separated by ; | , or lines.

        A text that is one known word as a whole is not split.
        """
        if text[:1] in "[{":
            listed = _listed(text)
            if listed is not None:
                return listed
            if text[:1] == "{":  # shares or strengths, which are no ticks
                return [text]
        if not re.search(r"[;|,\n\t]", text) or self.knows(text):
            return [text]
        return [word for part in re.split(r"[;|,\n\t]", text) if (word := part.strip(" '\""))]


def _key(word: str) -> str:
    return re.sub(r"[\s_-]+", " ", word.replace("\u2019", "'")).strip().strip(".").lower()


def _listed(text: str) -> list[str] | None:
    """The words of a JSON list, or of an object with one (`{"choices": […]}`) or with ticks."""
    try:
        value = parse_json(text)
    except ValueError:
        if text[:1] != "[":
            return None
        inner = text.strip("[] ")  # Python's own spelling of a list
        return [word.strip(" '\"") for word in inner.split(",") if word.strip(" '\"")]
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(next(iter(value.values())), list):
            value = next(iter(value.values()))
        else:
            if not {str(ticked).strip().lower() for ticked in value.values()} <= YES | NO | {""}:
                return None
            value = [word for word, ticked in value.items() if is_yes(str(ticked))]
    if isinstance(value, list):
        flat = [item for one in value for item in (one if isinstance(one, list) else [one])]
        return [str(item).strip() for item in flat if str(item).strip()]
    return None


def is_yes(text: str) -> bool:
    """Whether a tick box says that it was ticked."""
    return text.strip().lower() in YES


def yes_no(name: str, text: str) -> bool | None:
    """The answer in a cell, None for an empty one; ValueError for neither yes nor no."""
    word = text.strip().lower()
    if word in YES or word in NO:
        return word in YES
    if word:
        raise ValueError(f"{name} = {text!r}: write yes or no")
    return None


@dataclass(frozen=True)
class Scale:
    """The scale a rating was asked on."""

    low: float
    high: float

    def __str__(self) -> str:
        joint = " to " if self.low < 0 else "-"
        return f"{self.low:g}{joint}{self.high:g}"

    def unit(self, name: str, text: str) -> float:
        """The rating between 0 (lowest end) and 1; ValueError for what is not on the scale."""
        number = number_of(text)
        if number is None:
            raise ValueError(f"{name} = {text!r}: write a number on the scale {self}")
        if not self.low <= number <= self.high:
            raise ValueError(f"{name} = {text!r} is not on the scale {self}")
        return (number - self.low) / (self.high - self.low)


def number_of(text: str) -> float | None:
    """The number in a cell, with a decimal point or comma; None for what is none."""
    if not re.fullmatch(_NUMBER, text.strip()):
        return None
    return float(text.strip().replace(",", ".").replace("\u2212", "-"))


def parse_scale(text: str) -> Scale:
    """The scale that "1-9", "0 to 1" or "-1..1" names; ValueError otherwise."""
    found = _SCALE.fullmatch(text)
    low, high = (number_of(end) for end in found.groups()) if found else (None, None)
    if low is None or high is None or low >= high:
        raise ValueError(f'scale = {text!r}: write "1-9", "0 to 1" or "-1 to 1"')
    return Scale(low, high)


def parse_scales(text: str) -> dict[str, Scale]:
    """Scales by question ("" = all others) from "1-9" or "valence=-1 to 1, arousal=1-9"."""
    if not text.strip():
        return {}
    if "=" not in text:
        return {"": parse_scale(text)}
    pairs = [part.partition("=") for part in re.split(r"[,;]", text) if part.strip()]
    return {name.strip().lower(): parse_scale(scale) for name, _, scale in pairs}


def polarity(text: str) -> float:
    """1 for a positive word, 0 for a negative one, 0.5 for neither; ValueError otherwise."""
    value = _POLARITY.get(_key(text))
    if value is None:
        raise ValueError(f"polarity = {text!r}: write positive, negative or neutral")
    return value
