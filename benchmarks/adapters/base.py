"""What an adapter returns, and the label spelling that all adapters share.

An adapter is a module of this folder with a function `read(path, ...) -> LabelledRows`. A module
that serves one public dataset also has `INFO`, a `Benchmark` with its facts, and is entered in
`registry.py` under its name. Labels leave an adapter as names, never as numbers: every dataset of
the field numbers its emotions differently.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emo8.core import taxonomy
from emo8.core.errors import SourceError
from emo8.core.inside import read_plain
from emo8.core.taxonomy import parse_emotion


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The facts about one public dataset that a user needs before running on it."""

    name: str  # what `--data` takes
    title: str  # one line
    get: str  # how a person gets it; we never fetch it
    license: str  # of images and labels, as published
    layout: str  # what `--path` must point at
    tasks: tuple[str, ...] = ("single",)  # what `--task` may be; the first one is meant unasked
    split: str = "none: folds are used"  # official split, or the convention that stands in
    notes: tuple[str, ...] = ()  # what a reader of its numbers has to know


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Several named numbers per row: shares of votes, or points on scales."""

    names: tuple[str, ...]  # K
    values: npt.NDArray[np.float64]  # (N, K); NaN where nothing is known


# A person's box in pixels of the upright picture: left, top, right, bottom.
Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """Pictures and claims about them, row by row; image bytes are read only when asked for."""

    name: str  # name of the dataset in results
    origin: str  # file, folder or id it came from, for messages
    emotion: list[str | None]  # name of the emotion; None where nobody claims one
    rule: list[str | None]  # who made the label: human, source, clip
    split: list[str | None]  # train, val, test, or whatever else the dataset calls a part
    images: Callable[[Sequence[int]], list[bytes | None]]  # encoded bytes; None = file is missing
    column: Callable[[str], list[str | None]]  # any other column as text, for groups and clusters
    column_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    task: str = "single"  # what is measured when nobody says
    several: list[tuple[str, ...] | None] | None = None  # labels that hold together, by name
    several_names: tuple[str, ...] = ()  # all of them
    shares: Numbers | None = None  # a distribution over labels
    scales: Numbers | None = None  # valence, arousal, …
    votes: Numbers | None = None  # how many people chose each label
    num_people: list[int | None] | None = None  # shown in the picture, as far as is known
    boxes: list[Box | None] | None = None  # of the person a row is about
    boxes_are_shares: bool = False  # boxes are fractions of width and height

    def __len__(self) -> int:
        return len(self.emotion)

    def require(self, name: str, option: str) -> list[str | None]:
        """The values of column `name`; SourceError with the columns that exist otherwise."""
        if name not in self.column_names:
            known = ", ".join(self.column_names) or "none"
            raise SourceError(f"{option} {name}: {self.origin} has no such column. Found: {known}.")
        return self.column(name)


def split_name(name: str | None) -> str | None:
    """train, val or test where `name` is a spelling of one, else `name` itself."""
    return None if name is None else taxonomy.split_name(name)


def emotion_names(labels: Sequence[str | None]) -> tuple[list[str | None], tuple[str, ...]]:
    """The labels in one spelling (`Sad` and `sad` become `sadness`), and a note per merged pair.

    A name outside the eight emotions stays, in lower case: a benchmark may have its own set.
    """
    spelled = {label: spelling(label) for label in set(labels) if label is not None}
    merged: dict[str, list[str]] = {}
    for label, name in spelled.items():
        merged.setdefault(name, []).append(label)
    notes = tuple(
        f"labels {', '.join(map(repr, sorted(found)))} were read as one emotion, {name!r}"
        for name, found in sorted(merged.items())
        if len(found) > 1
    )
    return [None if label is None else spelled[label] or None for label in labels], notes


def spelling(label: str) -> str:
    """A label as results spell it: one of the eight by any alias, another in lower case."""
    try:
        return parse_emotion(label)
    except ValueError:
        return label.strip().lower().replace(" ", "_")


def read_file(path: Path) -> bytes | None:
    """The bytes of a file, or None where it cannot be read (that costs its row, not the run).

    An array file (.npy with (H, W, 3) uint8, as EMOTIC's array release has them) becomes a PNG.
    """
    try:
        data = read_plain(path)
        return _array_as_png(data) if path.suffix == ".npy" else data
    except (OSError, ValueError):
        return None


def _array_as_png(data: bytes) -> bytes:
    from PIL import Image

    pixels = np.load(io.BytesIO(data), allow_pickle=False)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError("not (H, W, 3)")
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels, dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()
