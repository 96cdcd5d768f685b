"""One training step, and the same step on random input for measuring.

`train_step` is a pure function of its state and batch: forward, three losses, backward, clip,
optimizer.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pretrain import optim, parallel, recipes
from pretrain.batches import Batch
from pretrain.config import DataConfig, LossConfig, ModelConfig, PretrainConfig, override
from pretrain.losses import Targets, all_losses, total_loss
from pretrain.models.uniemox import UniEmoX, build_model
from pretrain.models.vit import use_plain_attention
from pretrain.parallel import World
from pretrain.teacher import Teacher, store_matrices
from pretrain.views import normalise


@dataclass(frozen=True, kw_only=True)
class TrainState:
    """Everything a step needs besides its batch. `network` is `model`, or DDP around it."""

    config: PretrainConfig
    world: World
    model: UniEmoX
    network: nn.Module
    optimizer: torch.optim.AdamW
    teacher: Teacher
    text_features: Tensor  # unit (texts, teacher width), on the device


def make_state(
    config: PretrainConfig, world: World, teacher: Teacher, text_features: Tensor
) -> TrainState:
    """An untrained model, a fresh optimizer, and the frozen targets, on this process's device."""
    model = build_model(config.model, teacher_dim=teacher.dim, seed=config.seed).to(world.device)
    choose_outputs(model, config.loss)
    if world.device.type == "cpu" and config.system.precision == "bf16":
        use_plain_attention(model)
    teacher.use_precision(config.system.precision)
    return TrainState(
        config=config,
        world=world,
        model=model,
        network=parallel.replicate(model, world),
        optimizer=optim.build_optimizer(model, config.optim),
        teacher=teacher,
        text_features=text_features.to(world.device),
    )


def choose_outputs(model: UniEmoX, config: LossConfig) -> None:
    """Makes the model compute what the losses that are on need, and nothing else."""
    weights = config.weights
    model.set_outputs(student="L1" in weights or "L2" in weights, pred="L3" in weights)


def train_step(state: TrainState, batch: Batch, rate: float) -> dict[str, Tensor]:
    """The losses of this process's rows, their weighted "total", and "grad_norm", detached."""
    optim.set_learning_rate(state.optimizer, rate)
    losses = compute_losses(state, batch)
    total = total_loss(losses, state.config.loss)
    state.optimizer.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    limit = state.config.optim.clip_norm or float("inf")
    grad_norm = nn.utils.clip_grad_norm_(state.model.parameters(), limit)
    state.optimizer.step()
    found = {**losses, "total": total, "grad_norm": grad_norm}
    return {name: value.detach() for name, value in found.items()}


def compute_losses(state: TrainState, batch: Batch) -> dict[str, Tensor]:
    """{"L1", "L2", "L3"} of a batch, those that are on: teacher, both views, losses."""
    config = state.config
    with _precision(config.system.precision, state.world.device):
        teacher_image = batch.teacher_image
        if teacher_image is None:
            teacher_image = state.teacher.image_features(batch.scene)
        scene = normalise(batch.scene, config.views.mean, config.views.std)
        person = normalise(batch.person, config.views.mean, config.views.std)
        output = state.network(scene, person, batch.scene_noise, batch.person_noise)
    # L1 compares with the texts of all processes; they are frozen, so no gradient is gathered.
    text_index = parallel.gather_rows(batch.text_index, state.world)  # (M,)
    targets = Targets(
        scene=scene,
        image=teacher_image,
        texts=state.text_features[text_index],
        positive=batch.text_index[:, None] == text_index,
        logit_scale=state.teacher.logit_scale,
    )
    return all_losses(output, targets, config.loss, patch_size=config.model.patch_size)


def _precision(name: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """fp32 sets nothing, so that a measurement may wrap the step in a context of its own."""
    return contextlib.nullcontext() if name == "fp32" else parallel.autocast(name, device)


# Measuring ------------------------------------------------------------------------------------


class UntrainedTeacher:
    """A ViT-B-16 image tower of CLIP's shape with random weights: costs what the real one costs."""

    name = "untrained ViT-B-16"
    sha256 = "none"
    dim = 512
    logit_scale = 100.0

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
    inputs = _random_batch(config, teacher.dim).to(place)
    return lambda: train_step(state, inputs, config.optim.lr)


def _random_batch(config: PretrainConfig, teacher_dim: int) -> Batch:
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
