"""The `describe` step: people in order of prominence, and one sentence about the picture.

The sentence is what UniEmoX reads. It is composed from what is known; what is not known is left
out, and so is the emotion, because it would leak the answer into pretraining.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from emo8.schema import PERSON
from emo8.steps import ROWS, Batch, Step

_BRIGHTNESS = (
    (0.25, "very dark"),
    (0.45, "dark"),
    (0.75, None),
    (0.9, "bright"),
    (2, "very bright"),
)
_COLORFULNESS = (
    (0.05, "without colour"),
    (0.3, "with muted colours"),
    (0.6, None),
    (2, "colourful"),
)


@dataclass(frozen=True, kw_only=True)
class Describe(Step):
    """Boxes sorted by prominence, and a description without the emotion."""

    name: str = field(default="describe", init=False)
    version: ClassVar[int] = 1

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        return {
            ROWS: ("caption", "people_source"),
            "measure": ("brightness", "colorfulness"),
        }

    @property
    def adds(self) -> pa.Schema:
        return pa.schema([("people", pa.list_(PERSON)), ("description", pa.string())])

    def run(self, batch: Batch, state: Any) -> pa.Table:
        rows, measured = batch[ROWS].to_pylist(), batch["measure"].to_pylist()
        records = [
            {
                "people": by_prominence(row["people_source"]),
                "description": describe(row["caption"], **numbers),
            }
            for row, numbers in zip(rows, measured, strict=True)
        ]
        return pa.Table.from_pylist(records, schema=self.adds)


def by_prominence(people: list[dict[str, float]] | None) -> list[dict[str, float]] | None:
    """Usable boxes, most prominent first; None where nobody looked."""
    if people is None:
        return None
    boxes = [clip_box(box) for box in people]
    return sorted((box for box in boxes if box), key=prominence, reverse=True)


def clip_box(box: dict[str, float]) -> dict[str, float] | None:
    """The part of a box inside the picture; None when nothing is left of it."""
    clipped = {key: min(max(float(box[key]), 0.0), 1.0) for key in ("x0", "y0", "x1", "y1")}
    if not (clipped["x1"] > clipped["x0"] and clipped["y1"] > clipped["y0"]):
        return None
    return {**clipped, "score": float(box.get("score", 1.0))}


def prominence(box: dict[str, float]) -> float:
    """Area times score times centrality, each 0 to 1.

    Centrality falls linearly from 1 in the middle of the picture to 0.5 in its corners.
    """
    area = (box["x1"] - box["x0"]) * (box["y1"] - box["y0"])
    away = ((box["x0"] + box["x1"] - 1) ** 2 + (box["y0"] + box["y1"] - 1) ** 2) ** 0.5
    return area * box["score"] * (1 - 0.5 * away / 2**0.5)


def describe(
    caption: str | None, brightness: float | None, colorfulness: float | None
) -> str | None:
    """One sentence from caption and colours; None when there was no picture to describe."""
    if brightness is None or colorfulness is None:
        return caption
    light, colour = _word(_BRIGHTNESS, brightness), _word(_COLORFULNESS, colorfulness)
    look = ", ".join(word for word in (light, colour) if word)
    subject = (caption or "a picture").rstrip(" .")
    return f"{subject}; {look}" if look else subject


def _word(scale: tuple[tuple[float, str | None], ...], value: float) -> str | None:
    return next(word for limit, word in scale if value < limit)
