"""The frozen teacher: unit image features of the student's crops, unit text features once per run.

A CLIP of open_clip, or an image tower of timm (DINOv3, SigLIP 2, PE, MetaCLIP 2, ...), which knows
no texts: L2 and L3 can be trained with it, L1 cannot.

Letters: B rows, N texts, C channels, S pixels per side, T teacher width.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from emo8.engine.files import appearing
from pretrain.config.settings import LossConfig, TeacherConfig, without_folder
from pretrain.views.cut import normalise

logger = logging.getLogger(__name__)


class Teacher(Protocol):
    """What training needs of a teacher."""

    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def license(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def logit_scale(self) -> float: ...
    @property
    def reads_texts(self) -> bool: ...

    def image_features(self, views: Tensor) -> Tensor:
        """Unit (B, T) float32 of uint8 views (B, C, S, S)."""
        ...

    def text_features(self, texts: Sequence[str]) -> Tensor:
        """Unit (N, T) float32."""
        ...

    def use_precision(self, precision: str) -> None:
        """Keep the image tower's matrices in the precision of the recipe: fp32, bf16 or fp16."""
        ...


class ClipTeacher:
    """An open_clip model that sees the student's crop as its own config wants pictures.

    Crops are square, so of the config's resizing only the interpolation is left to follow.
    """

    reads_texts = True

    def __init__(self, encoder: Any, device: torch.device) -> None:
        self._encoder = encoder
        self.name: str = encoder.name
        self.sha256: str = encoder.weights_sha256
        self.license: str = encoder.license
        self.dim: int = encoder.dim
        self.logit_scale: float = encoder.logit_scale
        # convolutions are faster with channels last; transformers do not mind
        encoder.model.to(device, memory_format=torch.channels_last)
        encoder.device = str(device)

    @torch.no_grad()
    def image_features(self, views: Tensor) -> Tensor:
        encoder = self._encoder
        pixels = normalise(
            views, encoder.mean, encoder.std, encoder.image_size, encoder.interpolation
        )
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        features: Tensor = encoder.model.encode_image(pixels)
        return functional.normalize(features.float(), dim=-1)

    def text_features(self, texts: Sequence[str]) -> Tensor:
        return torch.from_numpy(self._encoder.embed_texts(texts))

    def use_precision(self, precision: str) -> None:
        store_matrices(self._encoder.model.visual, precision)


class TimmTeacher:
    """An image tower of timm: pooled features of crops prepared as its weights saw pictures."""

    reads_texts = False
    logit_scale = 1.0  # nothing is compared with texts

    def __init__(self, name: str, device: torch.device) -> None:
        import timm

        from pretrain.models import timm_models

        self.name = f"timm:{name}"
        self._model = timm_models.create(name, num_classes=0).eval().requires_grad_(False)
        self._prepared = timm_models.preprocessing(name, self._model)
        self.sha256 = timm_models.identity(name, self._model, self._prepared)
        self.license = getattr(timm.get_pretrained_cfg(name), "license", None) or "unknown"
        self.dim = int(self._model.num_features)
        self._model.to(device, memory_format=torch.channels_last)

    @torch.no_grad()
    def image_features(self, views: Tensor) -> Tensor:
        """Unit (B, T) float32; of timm's resizing only the interpolation is left for a square."""
        size = self._prepared["input_size"][-1]
        mean, std, by = (self._prepared[key] for key in ("mean", "std", "interpolation"))
        pixels = normalise(views, mean, std, size, by)
        features = self._model(pixels.contiguous(memory_format=torch.channels_last))
        return functional.normalize(features.float(), dim=-1)

    def text_features(self, texts: Sequence[str]) -> Tensor:
        """Zeros (N, T): there is no text tower, and `check_losses` lets no loss ask for one."""
        return torch.zeros(len(texts), self.dim)

    def use_precision(self, precision: str) -> None:
        store_matrices(self._model, precision)


class CachedTeacher:
    """Stands in where a cache file holds all features: it knows the teacher but cannot run it."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.name: str = facts["name"]
        self.sha256: str = facts["sha256"]
        self.license: str = facts["license"]
        self.dim: int = facts["dim"]
        self.logit_scale: float = facts["logit_scale"]
        self.reads_texts: bool = facts.get("reads_texts", True)  # caches made before know CLIPs

    def image_features(self, views: Tensor) -> Tensor:
        raise RuntimeError("a cached teacher computes nothing: its features are in the batch")

    def text_features(self, texts: Sequence[str]) -> Tensor:
        raise RuntimeError("a cached teacher computes nothing: its features are in the cache file")

    def use_precision(self, precision: str) -> None:
        """Nothing to do: the features are stored."""


def store_matrices(tower: nn.Module, precision: str) -> None:
    """Stores the weights of a frozen tower's linear layers and convolutions as they are multiplied.

    Autocast would cast them anew at every step; norms and embeddings stay as they are.
    """
    if precision in ("fp32", "auto"):
        return
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    for module in tower.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.MultiheadAttention):
            module.to(dtype)


def load_teacher(config: TeacherConfig, device: torch.device) -> ClipTeacher | TimmTeacher:
    """The teacher a recipe names; ValueError for an unknown one or one that cannot be had."""
    if config.name.startswith("timm:"):
        return TimmTeacher(config.name.removeprefix("timm:"), device)
    from emo8.labels.clip import encoder

    return ClipTeacher(encoder.load(config.name), device)


def check_losses(teacher: Teacher, config: LossConfig) -> None:
    """ValueError where L1, similarities to texts, is asked of a teacher without a text tower."""
    if config.contrastive_on and not teacher.reads_texts:
        raise ValueError(
            f"teacher {teacher.name} knows no texts, and L1 compares with them: add "
            "--loss.contrastive_on false, or take a CLIP (open_clip:NAME/TAG)"
        )


def describe(teacher: Teacher) -> dict[str, Any]:
    """What identifies a teacher in configs and caches."""
    facts = ("sha256", "license", "dim", "logit_scale", "reads_texts")
    own = {name: getattr(teacher, name) for name in facts}
    return {"name": without_folder(teacher.name), **own}


def cached_text_features(teacher: Teacher, texts: Sequence[str], folder: Path) -> Tensor:
    """Unit (N, T) features of the texts, computed once per teacher and texts, kept in `folder`."""
    from safetensors.torch import load_file, save_file

    key = hashlib.sha256(json.dumps([teacher.name, teacher.sha256, *texts]).encode()).hexdigest()
    path = folder / f"texts-{key[:16]}.safetensors"
    if path.exists():
        return check_features(load_file(path)["text"], str(path))
    logger.info("embedding %d texts with %s", len(texts), teacher.name)
    features = check_features(teacher.text_features(texts), teacher.name)
    with appearing(path, durable=False) as partial:  # every rank may write the same file
        save_file({"text": features.contiguous()}, partial)
    return features


def check_features(features: Tensor, origin: str) -> Tensor:
    """The features; ValueError where one is not a finite number."""
    bad = (~torch.isfinite(features)).flatten(1).any(dim=1).nonzero().flatten().tolist()
    if bad:
        raise ValueError(
            f"features from {origin}: {len(bad)} rows hold NaN or infinity, first at {bad[0]}; "
            "delete the cache and compute it again"
        )
    return features
