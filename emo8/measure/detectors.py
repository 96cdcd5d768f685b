"""Who finds people in pictures: a detector of torchvision, or one that a package registers.

`people.detector` in the recipe is one of
- `torchvision:MODEL`: the weights come from torchvision's server, once;
- `torchvision:MODEL@FILE`: your weights file, whose name ends in its SHA-256's first digits
  (`person-1a2b3c4d.pth`), as torchvision's do;
- `plugin:NAME`: an entry point NAME in the group `emo8.detectors`, a function without arguments
  that returns a `Detector`;
- `off`.
Every weights file is compared with the checksum in its name before it is read.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import socket
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from emo8.core.errors import ModelError
from emo8.core.suggest import suggest

logger = logging.getLogger(__name__)

OFF = "off"
PLUGINS = "emo8.detectors"  # the group of entry points
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
_TORCHVISION, _PLUGIN = "torchvision:", "plugin:"
_HASH = re.compile(r"-([0-9a-f]{8,64})\.pth$")
_HOST = "download.pytorch.org"
_PERSON = 1  # torchvision's number for "person" in COCO
_TIMEOUT_S = 15.0  # without an answer of the weights' server


class Detector(Protocol):
    """Anything that finds people in pictures; `version` changes whenever its answers may."""

    version: str

    def find(self, images: list[np.ndarray]) -> list[list[dict[str, float]]]:
        """Per picture (H, W, 3) uint8 the boxes x0, y0, x1, y1 as fractions, with `score`."""
        ...


@dataclass(frozen=True, kw_only=True)
class ResolvedDetector:
    """A detector as a build knows it; `weights` is empty where it could not be had."""

    name: str  # as rows say it: without the path of a weights file
    weights: str  # name of the weights file with its hash, or version of a plug-in
    file: str = ""  # where the recipe's own weights file lies
    cause: str = ""  # why it is not run

    def load(self) -> Detector | None:
        """The detector itself, ready to run; None where there is none."""
        if not self.weights:
            return None
        if self.name.startswith(_PLUGIN):
            found: Detector = _plugin(self.name).load()()
            return found
        return TorchvisionDetector.load(self.name.removeprefix(_TORCHVISION), self.file)


def resolve(name: str, recipe_dir: Path = Path()) -> ResolvedDetector:
    """The detector called `name`, downloaded if need be.

    ModelError for a name nobody knows, a plug-in that does not work, and a file of the recipe that
    is missing or not what its name says.
    """
    if name == OFF:
        return ResolvedDetector(name=name, weights="", cause="turned off in the recipe")
    if name.startswith(_PLUGIN):
        return ResolvedDetector(name=name, weights=_plugin_version(name))
    plain, _, file = name.partition("@")
    model = _check_name(plain)
    if file:
        path = recipe_dir / file
        _check_file(path)
        return ResolvedDetector(name=plain, weights=path.name, file=str(path.resolve()))
    try:
        weights = _fetch(model)
    except ModelError:
        raise
    except Exception as error:  # urllib and torch raise anything from OSError to RuntimeError
        cause = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        logger.warning(
            "people are not looked for: the weights of %s could not be had (%s); rows without "
            'boxes of their own keep none. Set people.detector = "off" to stop trying.',
            name,
            cause,
        )
        return ResolvedDetector(name=name, weights="", cause=f"weights could not be had: {cause}")
    return ResolvedDetector(name=name, weights=weights)


def _check_name(name: str) -> str:
    known = [f"{_TORCHVISION}{model}" for model in MODELS]
    if name not in known:
        raise ModelError(
            f"people.detector = {name!r} is unknown; {suggest(name, [OFF, *known])}, each "
            f"torchvision one also with @FILE, and {_PLUGIN}NAME for an entry point of {PLUGINS}"
        )
    return name.removeprefix(_TORCHVISION)


def _check_file(path: Path) -> None:
    """Raise ModelError unless the file's SHA-256 begins as its name says."""
    said = _HASH.search(path.name)
    if said is None:
        raise ModelError(
            f"weights file {path}: its name must end in -HASH.pth, HASH being the first eight or "
            "more hex digits of its SHA-256"
        )
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"weights file {path} cannot be read: {error.strerror}") from error
    if not digest.startswith(said[1]):
        raise ModelError(
            f"weights file {path} is damaged or another one: its SHA-256 begins with "
            f"{digest[: len(said[1])]}, its name says {said[1]}; remove it and try again"
        )


def _fetch(model: str) -> str:
    """The file name of a model's weights, downloaded if need be; its checksum agrees."""
    stored = sorted(_checkpoints().glob(f"{model}*-????????.pth"))
    if not stored:
        socket.getaddrinfo(_HOST, 443)  # offline this fails at once, before torch is imported
    from torchvision.models import get_model_weights

    weights = get_model_weights(model).DEFAULT
    name = str(weights.url.rsplit("/", 1)[-1])
    if (_checkpoints() / name).exists():  # torch checks what it downloads, not what is there
        _check_file(_checkpoints() / name)
        return name
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        weights.get_state_dict(progress=False, check_hash=True)
    finally:
        socket.setdefaulttimeout(before)
    return name


def stored_weights() -> list[str]:
    """File names of the known detectors' weights that this machine has already."""
    return sorted(path.name for model in MODELS for path in _checkpoints().glob(f"{model}*-*.pth"))


def _checkpoints() -> Path:
    """Where torch keeps downloaded weights, see torch.hub.get_dir."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser() / "hub" / "checkpoints"


def _plugin(name: str) -> EntryPoint:
    found = {point.name: point for point in entry_points(group=PLUGINS)}
    if name.removeprefix(_PLUGIN) not in found:
        known = ", ".join(sorted(found)) or "none"
        raise ModelError(
            f"people.detector = {name!r}: no installed package registers it under {PLUGINS}; "
            f"registered: {known}"
        )
    return found[name.removeprefix(_PLUGIN)]


def _plugin_version(name: str) -> str:
    try:
        version = getattr(_plugin(name).load()(), "version", None)
    except ModelError:
        raise
    except Exception as error:  # somebody else's code may raise anything
        raise ModelError(f"people.detector = {name!r} does not start: {error!r}") from error
    if not isinstance(version, str) or not version:
        raise ModelError(f"people.detector = {name!r} has no `version`: rows must say what ran")
    return version


class TorchvisionDetector:
    """A COCO detector of torchvision, on the GPU if there is one."""

    def __init__(self, model: Any, preprocess: Any, device: str, version: str = "") -> None:
        self.model, self.preprocess, self.device = model.eval().to(device), preprocess, device
        self.version = version

    @classmethod
    def load(cls, name: str, file: str = "") -> TorchvisionDetector:
        """The model called `name` with torchvision's weights, or those in `file`."""
        import torch
        from torchvision.models import get_model, get_model_weights

        weights = get_model_weights(name).DEFAULT
        path = Path(file) if file else _checkpoints() / weights.url.rsplit("/", 1)[-1]
        model = get_model(name, weights=None, weights_backbone=None)
        try:
            model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # torch raises RuntimeError, UnpicklingError and others
            raise ModelError(f"weights file {path} does not fit {name}: {error}") from error
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(model, weights.transforms(), device, path.name)

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
