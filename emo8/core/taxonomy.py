"""The eight emotions, their polarity, the five styles, and the spellings other datasets use.

Names are the only safe key between programs: every dataset of the field numbers them differently.
`EMOTIONS` fixes the one order this project uses wherever a vector has eight entries.

The emotions are the categories of Mikels et al. (2005), "Emotional category data on images from
the International Affective Picture System", Behavior Research Methods 37(4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emo8.core.suggest import suggest

EMOTIONS: tuple[str, ...] = (
    "amusement",
    "anger",
    "awe",
    "contentment",
    "disgust",
    "excitement",
    "fear",
    "sadness",
)
POSITIVE: frozenset[str] = frozenset({"amusement", "awe", "contentment", "excitement"})
POLARITIES: tuple[str, ...] = ("positive", "negative")
STYLES: tuple[str, ...] = (
    "cartoon",
    "natural",
    "realistic",
    "science_fiction",
    "advertising_cover",
)

# The folder of a class that FiftyOne's export per class gives to pictures without a label.
UNLABELLED = "_unlabeled"
SPLITS: tuple[str, ...] = ("train", "val", "test")
# Who must have made a label that something is measured by: never the model that is measured.
COUNTED_RULES: tuple[str, ...] = ("human", "source")

# One fixed colour per emotion and per style, the same in every figure and in the App. They were
# searched for so that any two differ by at least 20 (emotions) and 17 (styles) CIEDE2000 for normal
# eyes and under simulated protan-, deuteran- and tritanopia (Machado et al. 2009, "A
# physiologically-based model for simulation of color vision deficiency"), and show on white.
EMOTION_COLORS: dict[str, str] = {
    "amusement": "#E2DD56",
    "anger": "#840000",
    "awe": "#088D8D",
    "contentment": "#7AE9CD",
    "disgust": "#808437",
    "excitement": "#E373FF",
    "fear": "#4C3248",
    "sadness": "#0719DB",
}
# From the scheme "muted" of Paul Tol (2021), "Colour schemes", SRON/EPS/TN/09-002.
STYLE_COLORS: dict[str, str] = {
    "cartoon": "#CC6677",
    "natural": "#117733",
    "realistic": "#332288",
    "science_fiction": "#88CCEE",
    "advertising_cover": "#DDCC77",
}

EMOTION_ALIASES: dict[str, str] = {
    "amused": "amusement",
    "angry": "anger",
    "content": "contentment",
    "disgusted": "disgust",
    "excited": "excitement",
    "afraid": "fear",
    "fearful": "fear",
    "sad": "sadness",
}
STYLE_ALIASES: dict[str, str] = {
    "sci_fi": "science_fiction",
    "scifi": "science_fiction",
    "sciencefiction": "science_fiction",
    "advertising": "advertising_cover",
    "advertisement": "advertising_cover",
    "cartoons": "cartoon",
}

_SPLIT_ALIASES: dict[str, str] = {
    "training": "train",
    "validation": "val",
    "valid": "val",
    "dev": "val",
    "testing": "test",
    "eval": "test",
}


def polarity(emotion: str) -> str:
    """ "positive" or "negative", the two-class form of EmoSet and FI."""
    return "positive" if emotion in POSITIVE else "negative"


def parse_emotion(name: str) -> str:
    """The emotion that `name` spells, accepting the field's aliases; ValueError otherwise."""
    return _parse(name, EMOTIONS, EMOTION_ALIASES, "emotion")


def parse_style(name: str) -> str:
    """The style that `name` spells ("science fiction" and "sci-fi" too); ValueError otherwise."""
    return _parse(name, STYLES, STYLE_ALIASES, "style")


def split_name(name: str) -> str:
    """train, val or test where `name` is a spelling of one, else `name` itself."""
    key = name.strip().lower()
    key = _SPLIT_ALIASES.get(key, key)
    return key if key in SPLITS else name


def class_name(value: Any, names: Sequence[str]) -> Any:
    """The name of a class number; None for -1 and what else is no class, texts as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    whole = value == value and float(value).is_integer()  # NaN is not equal to itself
    return names[int(value)] if whole and 0 <= value < len(names) else None


def _parse(name: str, vocabulary: tuple[str, ...], aliases: dict[str, str], what: str) -> str:
    key = name.strip().lower().replace(" ", "_").replace("-", "_")
    key = aliases.get(key, key)
    if key in vocabulary:
        return key
    raise ValueError(f"unknown {what} {name!r}; {suggest(key, vocabulary)}")
