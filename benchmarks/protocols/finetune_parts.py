"""The parts of fine-tuning: the model by its name, its pictures, timm's augmentations, saving.

Shapes: B rows, C channels, S pixels per side, K outputs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.problem.folds import Index
from benchmarks.protocols.base import Problem
from emo8.core.errors import ModelError

if TYPE_CHECKING:
    from benchmarks.protocols.finetune import Settings

IN_MEMORY_BYTES = 2_000_000_000  # of shrunk pictures; above it each epoch decodes anew
ROOM = 1.5  # shorter side of a shrunk picture over the model's side, so that crops stay sharp


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network of K outputs, and how pictures reach it."""

    network: nn.Module
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"
    config: Any = None  # pretrain.classifier.ClassifierConfig, where it can be saved
    notes: tuple[str, ...] = ()


def build(name: str, names: Sequence[str], outputs: int, *, drop_path: float, seed: int) -> Model:
    """The model called `name` under a new head; ModelError where nothing of it can be tuned."""
    prefix, _, rest = name.partition(":")
    if prefix == "pixels":
        raise ModelError(
            f"--protocol finetune trains a model's weights, and {name} has none. "
            "Use random:RECIPE for a network without pretraining."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if prefix == "timm" and rest:
            return _timm(rest, outputs, drop_path)
        if name == "embedded" or prefix == "open_clip":
            return _clip(name, outputs)
    from pretrain.weights import classifier

    try:
        if prefix == "random" and rest:
            network, config = classifier.from_recipe(rest, names, seed=seed, drop_path=drop_path)
        else:
            network, config = classifier.from_run(Path(name), names, seed=seed, drop_path=drop_path)
    except (ValueError, OSError) as error:
        raise ModelError(f"--model {name} cannot be fine-tuned: {error}") from error
    return Model(
        network=network, image_size=config.image_size, mean=config.mean, std=config.std,
        config=config,
    )  # fmt: skip


def _timm(name: str, outputs: int, drop_path: float) -> Model:
    from pretrain.models import timm_models

    network = timm_models.create(name, num_classes=outputs, drop_path_rate=drop_path)
    facts = timm_models.preprocessing(name, network)
    return Model(
        network=network, image_size=facts["input_size"][-1], mean=facts["mean"], std=facts["std"],
        interpolation=facts["interpolation"],
    )  # fmt: skip


def _clip(name: str, outputs: int) -> Model:
    from emo8.labels.clip.encoder import load

    encoder = load(name)
    tower = encoder.model.visual.float().requires_grad_(True)
    return Model(
        network=nn.Sequential(tower, nn.Linear(encoder.dim, outputs)),
        image_size=encoder.image_size, mean=encoder.mean, std=encoder.std,
        interpolation=encoder.interpolation,
        notes=("no drop path and no layer decay in a CLIP image tower",),
    )  # fmt: skip


class Store:
    """The pictures of a problem, shrunk and kept where memory allows."""

    def __init__(self, problem: Problem, image_size: int) -> None:
        assert problem.pictures is not None
        self._pictures = problem.pictures
        self.views = problem.pictures.views
        self._side = round(image_size * ROOM)
        size = len(problem.target) * len(self.views) * 3 * self._side**2
        self._kept: dict[tuple[int, str], Image.Image] | None = {}
        if size > IN_MEMORY_BYTES:
            self._kept = None

    def batch(self, rows: Index, view: str, transform: Callable[[Image.Image], Tensor]) -> Tensor:
        """(B, C, S, S) of these rows through a transform."""
        return torch.stack([transform(self._picture(int(row), view)) for row in rows])

    def _picture(self, row: int, view: str) -> Image.Image:
        if self._kept is not None and (row, view) in self._kept:
            return self._kept[row, view]
        picture = Image.fromarray(self._pictures.pixels([row], view)[0])
        factor = self._side / min(picture.size)
        if factor < 1:
            sides = (max(1, round(side * factor)) for side in picture.size)
            picture = picture.resize(tuple(sides), Image.Resampling.BICUBIC)
        if self._kept is not None:
            self._kept[row, view] = picture
        return picture


def augmentation(model: Model, s: Settings) -> Callable[[Image.Image], Tensor]:
    """timm's training transform: crop, flip, RandAugment, erasing."""
    from timm.data import create_transform

    made: Any = create_transform(
        model.image_size, is_training=True, scale=(s.crop_scale, 1.0), color_jitter=0.0,
        auto_augment=s.auto_augment or None, re_prob=s.erase_prob, re_mode="pixel",
        interpolation=model.interpolation, mean=model.mean, std=model.std,
    )  # fmt: skip
    return made  # type: ignore[no-any-return]


def evaluation(model: Model, s: Settings) -> Callable[[Image.Image], Tensor]:
    """Shorter side resized, middle square."""
    from timm.data import create_transform

    made: Any = create_transform(
        model.image_size, is_training=False, crop_pct=s.crop_pct,
        interpolation=model.interpolation, mean=model.mean, std=model.std,
    )  # fmt: skip
    return made  # type: ignore[no-any-return]


def mixing(s: Settings, outputs: int) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """timm's mixup and cutmix of pictures, and the same mix of their smoothed shares (B, K).

    A batch of odd length, which cannot be mixed, is smoothed only.
    """
    from timm.data import Mixup

    mixer: Any = Mixup(
        mixup_alpha=s.mixup, cutmix_alpha=s.cutmix, label_smoothing=s.smoothing,
        num_classes=outputs,
    )  # fmt: skip

    def mix(pixels: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        soft = wanted * (1 - s.smoothing) + s.smoothing / outputs
        if len(pixels) % 2 or not (s.mixup or s.cutmix):
            return pixels, soft
        share = mixer._mix_batch(pixels)  # in place; timm's public call takes class numbers only
        return pixels, soft * share + soft.flip(0) * (1 - share)

    return mix


def optimizer(model: Model, s: Settings) -> torch.optim.AdamW:
    """AdamW with a smaller rate for each block further from the head."""
    from timm.optim import param_groups_layer_decay, param_groups_weight_decay

    network = model.network
    if s.layer_decay < 1 and hasattr(network, "group_matcher"):
        groups = param_groups_layer_decay(
            network, weight_decay=s.weight_decay, layer_decay=s.layer_decay,
            no_weight_decay_list=network.no_weight_decay(),
        )  # fmt: skip
    else:
        groups = param_groups_weight_decay(network, weight_decay=s.weight_decay)
    return torch.optim.AdamW(groups, lr=s.base_lr, betas=(0.9, 0.999))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch, numpy and random start from `seed` inside: timm's augmentations draw from all."""
    before_numpy, before_random = np.random.get_state(), random.getstate()
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before_numpy)
        random.setstate(before_random)


def save(problem: Problem, model: Model, network: nn.Module, crop_pct: float) -> None:
    """Writes the classifier as `uniemox predict` reads it; ModelError where it cannot."""
    from pretrain.weights import classifier

    if model.config is None:
        raise ModelError(
            f"--save: {problem.backbone.name} is not a UniEmoX encoder, which `uniemox predict` "
            "needs. Save works for a RUN and for random:RECIPE."
        )
    if problem.task in ("multi_label", "regression"):
        raise ModelError(f"--save: `uniemox predict` names one emotion, not {problem.task}.")
    assert problem.save is not None
    config = replace(model.config, crop_pct=crop_pct)
    classifier.save(problem.save, network.cpu(), config)
