"""The `people` step: boxes of people, once, at build time, so that training never runs a detector.

Boxes that the source brings win. Elsewhere a detector looks; where none could be had, the boxes
stay null and `people_rule` says `not_run`, and whoever reads the row takes the whole picture.
Drawn people are a known weakness of detectors trained on photographs.
"""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa

from emo8.errors import ModelError
from emo8.images import decode
from emo8.schema import PERSON, PUBLISHED_DECIMALS
from emo8.steps import ROWS, Batch, Step

logger = logging.getLogger(__name__)

OFF = "off"
NOT_RUN = "not_run"
BATCH_IMAGES = 8
_TORCHVISION = "torchvision:"
# Written out so that a build offline need not import torchvision to learn that it has no weights.
MODELS = (
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
    "maskrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn_v2",
    "retinanet_resnet50_fpn",
    "retinanet_resnet50_fpn_v2",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
)
_HOST = "download.pytorch.org"
_PERSON = 1  # torchvision's number for "person" in COCO
_TIMEOUT_S = 15.0  # without an answer of the weights' server


class Detector(Protocol):
    """Anything that finds people in pictures."""

    def find(self, images: list[np.ndarray]) -> list[list[dict[str, float]]]:
        """Per picture (H, W, 3) uint8 the boxes as fractions, with scores."""
        ...


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A detector as a build knows it; `weights` is empty where it could not be had."""

    name: str
    weights: str  # name and hash prefix of the weights file
    cause: str = ""  # why it is not run


def resolve(name: str) -> Resolved:
    """The detector called `name`, downloaded if need be; ModelError for a name nobody knows."""
    if name == OFF:
        return Resolved(name=name, weights="", cause="turned off in the recipe")
    model = _check_name(name)
    try:
        weights = _fetch(model)
    except Exception as error:  # urllib and torch raise anything from OSError to RuntimeError
        cause = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        logger.warning(
            "people are not looked for: the weights of %s could not be had (%s); rows without "
            'boxes of their own keep none. Set people.detector = "off" to stop trying.',
            name,
            cause,
        )
        return Resolved(name=name, weights="", cause=f"weights could not be had: {cause}")
    return Resolved(name=name, weights=weights)


def _check_name(name: str) -> str:
    known = [f"{_TORCHVISION}{model}" for model in MODELS]
    if name not in known:
        near = get_close_matches(name, [OFF, *known], n=1, cutoff=0.3)
        raise ModelError(
            f"people.detector = {name!r} is unknown; did you mean {(near or known)[0]!r}? "
            f"Known: {', '.join([OFF, *known])}."
        )
    return name.removeprefix(_TORCHVISION)


def _fetch(model: str) -> str:
    """The file name of a model's weights, downloaded and checked by torchvision if need be."""
    stored = sorted(_checkpoints().glob(f"{model}*-????????.pth"))
    if not stored:
        socket.getaddrinfo(_HOST, 443)  # offline this fails at once, before torch is imported
    from torchvision.models import get_model_weights

    weights = get_model_weights(model).DEFAULT
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        weights.get_state_dict(progress=False, check_hash=True)
    finally:
        socket.setdefaulttimeout(before)
    return str(weights.url.rsplit("/", 1)[-1])


def stored_weights() -> list[str]:
    """File names of the known detectors' weights that this machine has already."""
    return sorted(path.name for model in MODELS for path in _checkpoints().glob(f"{model}*-*.pth"))


def _checkpoints() -> Path:
    """Where torch keeps downloaded weights, see torch.hub.get_dir."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser() / "hub" / "checkpoints"


class TorchvisionDetector:
    """A COCO detector of torchvision, on the GPU if there is one."""

    def __init__(self, model: Any, preprocess: Any, device: str) -> None:
        self.model, self.preprocess, self.device = model.eval().to(device), preprocess, device

    @classmethod
    def load(cls, name: str) -> TorchvisionDetector:
        import torch
        from torchvision.models import get_model, get_model_weights

        weights = get_model_weights(name.removeprefix(_TORCHVISION)).DEFAULT
        model = get_model(name.removeprefix(_TORCHVISION), weights=weights)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(model, weights.transforms(), device)

    def find(self, images: list[np.ndarray]) -> list[list[dict[str, float]]]:
        import torch

        tensors = [torch.tensor(image) for image in images]
        batch = [self.preprocess(tensor.permute(2, 0, 1)).to(self.device) for tensor in tensors]
        with torch.inference_mode():
            answers = self.model(batch)
        return [
            _people(answer, width=tensor.shape[2], height=tensor.shape[1])
            for answer, tensor in zip(answers, batch)
        ]


def _people(answer: dict[str, Any], *, width: int, height: int) -> list[dict[str, float]]:
    keep = answer["labels"] == _PERSON
    scale = np.array([width, height, width, height], np.float64)
    boxes = answer["boxes"][keep].cpu().numpy() / scale
    scores = answer["scores"][keep].cpu().numpy()
    names = ("x0", "y0", "x1", "y1")
    return [
        {**dict(zip(names, box.tolist())), "score": float(score)}
        for box, score in zip(boxes, scores)
    ]


@dataclass(frozen=True, kw_only=True)
class People(Step):
    """Boxes by prominence, and who drew them: `source`, the detector's name, or `not_run`."""

    detector: Resolved
    min_score: float
    max_people: int
    max_pixels: int
    name: str = field(default="people", init=False)
    version: ClassVar[int] = 1

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        return {ROWS: ("image", "people_source"), "measure": ("decode_reason",)}

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
        return TorchvisionDetector.load(self.detector.name) if self.detector.weights else None

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
            for start in range(0, len(wanted), BATCH_IMAGES):
                rows = wanted[start : start + BATCH_IMAGES]
                for row, boxes in zip(rows, state.find([self._pixels(images[r]) for r in rows])):
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
