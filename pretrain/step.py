"""One training step on random input, for measuring: `pretrain.step.build`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pretrain.config import recipes
from pretrain.config.overrides import override
from pretrain.config.settings import DataConfig, ModelConfig, PretrainConfig
from pretrain.data.batches import Batch
from pretrain.teacher import store_matrices
from pretrain.train.parallelize import World
from pretrain.train.step import make_state, train_step
from pretrain.views.cut import normalise


class UntrainedTeacher:
    """A ViT-B-16 image tower of CLIP's shape with random weights: costs what the real one costs."""

    name = "untrained ViT-B-16"
    sha256 = "none"
    license = "none"
    dim = 512
    logit_scale = 100.0
    reads_texts = True

    def __init__(self, device: torch.device) -> None:
        import timm

        tower = timm.create_model("vit_base_patch16_clip_224", num_classes=self.dim)
        self._tower = tower.eval().requires_grad_(False).to(device)

    @torch.no_grad()
    def image_features(self, views: Tensor) -> Tensor:
        pixels = normalise(views, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 224)
        return functional.normalize(self._tower(pixels).float(), dim=-1)

    def text_features(self, texts: Sequence[str]) -> Tensor:
        return functional.normalize(torch.randn(len(texts), self.dim), dim=-1)

    def use_precision(self, precision: str) -> None:
        store_matrices(self._tower, precision)


# name -> the settings that differ from `plain`, as `--section.field value` would give them
VARIANTS: dict[str, dict[str, str]] = {
    "plain": {},
    "cached_teacher": {"teacher.features": "cached"},
    "light_decoder": {"teacher.features": "cached", **recipes.LIGHT_DECODER},
}
_MODELS = {"ti16": "ti", "s16": "s", "b16": "b", "l16": "l"}


def build(
    variant: str, *, model: str, batch: int, device: str, precision: str = "fp32"
) -> Callable[[], dict[str, Tensor]]:
    """A function without arguments that runs one training step of the variant on random input.

    Mask 0.9, untrained model and ViT-B-16 teacher, texts cached as in every run, uncompiled.
    ValueError names the known variants and models.
    """
    if variant not in VARIANTS:
        raise ValueError(f"unknown variant {variant!r}: choose one of {', '.join(VARIANTS)}")
    if model not in _MODELS:
        raise ValueError(f"unknown model {model!r}: choose one of {', '.join(_MODELS)}")
    sizes = ModelConfig(**recipes.vit(_MODELS[model]), scene_mask_ratio=0.9, person_mask_ratio=0.9)
    base = dataclasses.replace(
        recipes.b16(),
        steps=1,
        epochs=0.0,
        model=sizes,
        data=DataConfig(batch_size=batch),
        system=dataclasses.replace(recipes.b16().system, precision=precision),
    )
    config = override(base, VARIANTS[variant])
    place = torch.device(device)
    world = World(rank=0, size=1, device=place)
    teacher = UntrainedTeacher(place)
    state = make_state(config, world, teacher, teacher.text_features([""] * batch))
    inputs = random_batch(config, teacher.dim).to(place)
    return lambda: train_step(state, [inputs], config.optim.lr)


def random_batch(config: PretrainConfig, teacher_dim: int) -> Batch:
    rows, side = config.data.batch_size, config.model.image_size
    patches = config.model.num_patches
    cached = config.teacher.features == "cached"
    return Batch(
        ids=[str(row) for row in range(rows)],
        skipped=[],
        scene=torch.randint(0, 256, (rows, 3, side, side), dtype=torch.uint8),
        person=torch.randint(0, 256, (rows, 3, side, side), dtype=torch.uint8),
        scene_noise=torch.rand(rows, patches),
        person_noise=torch.rand(rows, patches),
        text_index=torch.arange(rows),
        teacher_image=functional.normalize(torch.randn(rows, teacher_dim), dim=-1)
        if cached
        else None,
    )
