"""Versioned label maps: TOML files beside this module, or a user's own.

name = "polarity-1"            # goes into results; raise the number when a line changes
source = "where it comes from"
[labels]
joy = "positive"               # a label that is not listed is left out, and counted

Names on both sides may be spelled as anywhere: `Sad` is `sadness`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.adapters.base import spelling
from emo8.core.errors import Emo8Error
from emo8.core.suggest import suggest

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """Labels of one set as labels of another."""

    name: str
    source: str
    labels: dict[str, str]  # both sides as results spell labels

    def get(self, label: str | None) -> str | None:
        """What the map calls a label in any spelling; None where it does not list it."""
        return None if label is None else self.labels.get(spelling(label))


def names() -> list[str]:
    """The maps that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def polarity() -> LabelMap:
    """Which labels of the field are positive and which negative."""
    return load("polarity-1")


def load(name: str) -> LabelMap:
    """The map of that name, or in that file."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise Emo8Error(f"--map {name}: no such label map; {suggest(name, names())}")
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
        pairs = dict(raw["labels"])
        labels = {spelling(key): spelling(value) for key, value in pairs.items()}
        found = LabelMap(name=raw["name"], source=raw["source"], labels=labels)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Emo8Error(
            f"--map {path}: a label map has name, source and a table [labels] ({error!r})."
        ) from error
    for key, value in pairs.items():
        if labels[spelling(key)] != spelling(value):
            raise Emo8Error(
                f"--map {path}: {key!r} is one label with another key that maps elsewhere."
            )
    return found
