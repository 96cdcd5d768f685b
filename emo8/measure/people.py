"""The `people` step: boxes of people, once, at build time, so that training never runs a detector.

Boxes that the source brings win. Elsewhere a detector looks; where none could be had, the boxes
stay null and `people_rule` says `not_run`, and whoever reads the row takes the whole picture.
Drawn people are a known weakness of detectors trained on photographs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from emo8.core.images import decode
from emo8.core.schema import PERSON, PUBLISHED_DECIMALS
from emo8.engine.live import ticked
from emo8.engine.steps import ROWS, Batch, Step
from emo8.measure.detectors import Detector, ResolvedDetector

NOT_RUN = "not_run"


@dataclass(frozen=True, kw_only=True)
class People(Step):
    """Boxes by prominence, and who drew them: `source`, the detector's name, or `not_run`."""

    detector: ResolvedDetector
    min_score: float
    max_people: int
    max_pixels: int
    name: str = field(default="people", init=False)
    version: ClassVar[int] = 2
    wants_gpu: ClassVar[bool] = True

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        return {ROWS: ("image", "people_source"), "measure": ("decode_reason",)}

    @property
    def keyed_by(self) -> dict[str, tuple[str, ...]]:
        return {ROWS: ("id", "people_source"), "measure": ("decode_reason",)}

    @property
    def adds(self) -> pa.Schema:
        return pa.schema([("people", pa.list_(PERSON)), ("people_rule", pa.string())])

    def options(self) -> dict[str, Any]:
        return {
            "detector": self.detector.name if self.detector.weights else NOT_RUN,
            "weights": self.detector.weights,
            "min_score": self.min_score,
            "max_people": self.max_people,
        }

    def setup(self) -> Detector | None:
        return self.detector.load()

    def run(self, batch: Batch, state: Detector | None) -> pa.Table:
        brought = batch[ROWS].column("people_source").to_pylist()
        images, reasons = batch[ROWS].column("image"), batch["measure"].column("decode_reason")
        people: list[Any] = [by_prominence(boxes) for boxes in brought]
        rules = ["source" if boxes is not None else NOT_RUN for boxes in brought]
        if state is not None:
            wanted = [
                row
                for row in range(len(images))
                if brought[row] is None
                and images[row].is_valid
                and images[row]["bytes"].is_valid
                and not reasons[row].is_valid
            ]
            for row in ticked(wanted):
                # one at a time: detectors pad the pictures of a batch to the largest among them
                (boxes,) = state.find([self._pixels(images[row])])
                sure = [box for box in boxes if box["score"] >= self.min_score]
                people[row] = by_prominence(sure)
                rules[row] = self.detector.name
        short = [None if boxes is None else boxes[: self.max_people] for boxes in people]
        return pa.table([pa.array(short, self.adds.field(0).type), rules], schema=self.adds)

    def _pixels(self, image: pa.StructScalar) -> np.ndarray:
        return decode(image["bytes"].as_py(), max_pixels=self.max_pixels).rgb


def by_prominence(people: list[dict[str, float]] | None) -> list[dict[str, float]] | None:
    """Usable boxes, most prominent first; None where nobody looked."""
    if people is None:
        return None
    boxes = [clip_box(box) for box in people]
    return sorted((box for box in boxes if box), key=prominence, reverse=True)


def clip_box(box: dict[str, float]) -> dict[str, float] | None:
    """The part of a box inside the picture, rounded; None when nothing is left of it."""
    clipped = {
        key: round(min(max(float(box[key]), 0.0), 1.0), PUBLISHED_DECIMALS)
        for key in ("x0", "y0", "x1", "y1")
    }
    if not (clipped["x1"] > clipped["x0"] and clipped["y1"] > clipped["y0"]):
        return None
    score = box.get("score")
    return {**clipped, "score": round(1.0 if score is None else float(score), PUBLISHED_DECIMALS)}


def prominence(box: dict[str, float]) -> float:
    """Area times score times centrality, each 0 to 1.

    Centrality falls linearly from 1 in the middle of the picture to 0.5 in its corners.
    """
    area = (box["x1"] - box["x0"]) * (box["y1"] - box["y0"])
    away = ((box["x0"] + box["x1"] - 1) ** 2 + (box["y0"] + box["y1"] - 1) ** 2) ** 0.5
    return area * box["score"] * (1 - 0.5 * away / 2**0.5)
