"""The models `--model` can name, each as one function from pictures to features.

Shapes: N pictures, H x W pixels, D feature width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.features.views import DEFAULT_CROP, PersonCrop
from emo8.core.errors import ModelError
from emo8.core.suggest import nearest

Features = npt.NDArray[np.float32]
FORMS = (
    "RUN (a folder written by uniemox pretrain)",
    "embedded",
    "timm:NAME",
    "open_clip:NAME/TAG",
    "random:RECIPE",
    "pixels:16",
    "FILE.safetensors (a classifier that --save kept)",
)
_PREFIXES = ("timm:", "open_clip:", "random:", "pixels:")
PIXELS_MAX_SIDE = 256


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A frozen model: (N) pictures of (H, W, 3) uint8 RGB to (N, D) float32 features."""

    name: str  # as the user wrote it
    sha256: str  # of the weights and of how pictures reach them
    features: Callable[[list[npt.NDArray[np.uint8]]], Features]
    encoder: Any = None  # emo8.clip.encoder.Encoder, where the model has a text side
    crop: PersonCrop = DEFAULT_CROP  # how its training cut the person view
    # (N) pictures to (N, T, D) tokens, for attentive pooling; None where a model has none
    tokens: Callable[[list[npt.NDArray[np.uint8]]], Features] | None = None


def check(name: str) -> None:
    """Nothing for a form of model we know; ModelError that lists the forms otherwise."""
    prefix, _, rest = name.partition(":")
    if name == "embedded" or (f"{prefix}:" in _PREFIXES and rest):
        if prefix == "pixels":
            _pixels_side(name)
        return
    if Path(name).is_dir():
        if not (Path(name) / "last" / "model.safetensors").is_file():
            raise ModelError(
                f"--model {name}: a folder, but not a RUN: it has no last/model.safetensors. "
                "Give the folder that `uniemox pretrain --out` wrote."
            )
        return
    if _is_classifier(name):
        return
    near = nearest(name.split(":")[0], ["embedded", *(p[:-1] for p in _PREFIXES)])
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ModelError(
        f"--model {name}: not a folder and no known form.{hint} Known: {', '.join(FORMS)}."
    )


def _is_classifier(name: str) -> bool:
    return Path(name).suffix == ".safetensors" and Path(name).is_file()


def has_text(name: str) -> bool:
    """Whether a model of this form can be asked in words (zero_shot)."""
    return name == "embedded" or name.startswith("open_clip:")


def depends_on_seed(name: str) -> bool:
    """Whether another seed gives other weights."""
    return name.startswith("random:")


def load(name: str, seed: int = 0) -> Backbone:
    """The backbone called `name`; only `random:` takes its weights from the seed."""
    check(name)
    prefix, _, rest = name.partition(":")
    if has_text(name):
        return _clip(name)
    if prefix == "timm" and rest:
        return _timm(name, rest)
    if prefix == "pixels" and rest:
        return _pixels(name)
    from pretrain.weights import classifier
    from pretrain.weights import encoder as checkpoint

    encoder: Any
    try:
        if _is_classifier(name):
            encoder = classifier.Frozen(Path(name))
        elif prefix == "random" and rest:
            encoder = checkpoint.random_encoder(rest, seed)
        else:
            encoder = checkpoint.load_encoder(Path(name))
    except (ValueError, RuntimeError, OSError, KeyError) as error:
        raise ModelError(f"--model {name} cannot be loaded: {error}") from error
    return Backbone(
        name=name, sha256=encoder.sha256, features=encoder.features, tokens=encoder.tokens,
        crop=_crop_of(encoder),
    )  # fmt: skip


def _crop_of(encoder: Any) -> PersonCrop:
    """The person square that a pretraining run was trained on; the default for anything else."""
    views = getattr(getattr(encoder, "config", None), "views", None)
    if views is None:
        return DEFAULT_CROP
    return PersonCrop(margin=views.person_margin, min_side_px=views.person_min_side_px)


def _clip(name: str) -> Backbone:
    from emo8.labels.clip.encoder import load as load_clip

    encoder = load_clip(name, device=_device())
    return Backbone(
        name=name,
        sha256=encoder.weights_sha256,
        features=encoder.embed_images,
        encoder=encoder,
        tokens=_clip_tokens(encoder),
    )


def _clip_tokens(encoder: Any) -> Callable[[list[npt.NDArray[np.uint8]]], Features] | None:
    """What the image tower knows before it pools: patch tokens, or places of a feature map."""
    import torch

    tower = encoder.model.visual
    has_trunk = hasattr(tower, "trunk")
    if not has_trunk and not hasattr(tower, "output_tokens"):
        return None

    def tokens(pictures: list[npt.NDArray[np.uint8]]) -> Features:
        batch = torch.stack([encoder.preprocess(picture) for picture in pictures])
        batch = batch.to(encoder.device, next(encoder.model.parameters()).dtype)
        with torch.inference_mode():
            if has_trunk:
                return _as_tokens(tower.trunk.forward_features(batch))
            before, tower.output_tokens = tower.output_tokens, True
            try:
                return _as_tokens(tower(batch)[1])
            finally:
                tower.output_tokens = before

    return tokens


def _as_tokens(found: Any) -> Features:
    """(N, T, D) of tokens, or of a feature map (N, D, H, W)."""
    if found.ndim == 4:
        found = found.flatten(2).transpose(1, 2)
    tokens: Features = found.float().cpu().numpy()
    return tokens


def _timm(name: str, model_name: str) -> Backbone:
    import timm.data
    import torch
    from PIL import Image

    from pretrain.models import timm_models

    device = _device()
    model = timm_models.create(model_name, num_classes=0).eval().to(device)
    data: Any = timm.data
    config = timm_models.preprocessing(model_name, model)
    transform = data.create_transform(**config, is_training=False)

    def features(pictures: list[npt.NDArray[np.uint8]]) -> Features:
        batch = torch.stack([transform(Image.fromarray(picture)) for picture in pictures])
        with torch.inference_mode():
            found: Features = model(batch.to(device)).float().cpu().numpy()
        return found

    def tokens(pictures: list[npt.NDArray[np.uint8]]) -> Features:
        batch = torch.stack([transform(Image.fromarray(picture)) for picture in pictures])
        with torch.inference_mode():
            return _as_tokens(model.forward_features(batch.to(device)))

    sha256 = timm_models.identity(model_name, model, config)
    return Backbone(name=name, sha256=sha256, features=features, tokens=tokens)


def _pixels(name: str) -> Backbone:
    """Raw pixels as features: the floor that any trained model has to beat."""
    import cv2

    side = _pixels_side(name)

    def features(pictures: list[npt.NDArray[np.uint8]]) -> Features:
        small = [cv2.resize(p, (side, side), interpolation=cv2.INTER_AREA) for p in pictures]
        flat = np.stack(small).reshape(len(small), -1)
        return flat.astype(np.float32) / np.float32(255)

    def tokens(pictures: list[npt.NDArray[np.uint8]]) -> Features:
        return features(pictures).reshape(len(pictures), side, side * 3)  # one token per row

    sha256 = hashlib.sha256(f"pixels {side} x {side} squashed by area, RGB / 255".encode())
    return Backbone(name=name, sha256=sha256.hexdigest(), features=features, tokens=tokens)


def _pixels_side(name: str) -> int:
    side = name.partition(":")[2]
    if not side.isdigit() or not 1 <= int(side) <= PIXELS_MAX_SIDE:
        raise ModelError(f"--model {name}: write pixels:SIDE, SIDE from 1 to {PIXELS_MAX_SIDE}.")
    return int(side)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
