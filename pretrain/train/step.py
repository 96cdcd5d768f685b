"""One training step.

`train_step` is forward, losses, backward, clip, optimizer; the loop in loop.py calls its two
halves, `backward` and `update`, and looks at the losses in between.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pretrain.config.settings import LossConfig, PretrainConfig
from pretrain.data.batches import Batch
from pretrain.losses import Targets, all_losses, needed_outputs, total_loss
from pretrain.models.uniemox import UniEmoX, build_model
from pretrain.models.vit import use_plain_attention
from pretrain.teacher import Teacher
from pretrain.train import optim, parallelize
from pretrain.train.optim import Ema
from pretrain.train.parallelize import World
from pretrain.views.cut import normalise
from pretrain.weights import init


@dataclass(frozen=True, kw_only=True)
class TrainState:
    """Everything a step needs besides its batches. `network` is `model`, or DDP around it."""

    config: PretrainConfig
    world: World
    model: UniEmoX
    network: nn.Module
    optimizer: torch.optim.AdamW
    teacher: Teacher
    text_features: Tensor  # unit (texts, teacher width), on the device
    ema: Ema | None = None
    scaler: torch.amp.GradScaler | None = None  # fp16 only


def make_state(
    config: PretrainConfig,
    world: World,
    teacher: Teacher,
    text_features: Tensor,
    *,
    from_init: bool = False,
) -> TrainState:
    """A fresh model, optimizer and the frozen targets, on this process's device.

    The model is untrained, or with `from_init` holds the weights that `config.init` names.
    """
    model = build_model(config.model, teacher_dim=teacher.dim, seed=config.seed).to(world.device)
    if from_init and config.init.weights:
        init.check_activation(config)
        init.check_pixels(config)
        init.start_from(model, config.init)
    choose_outputs(model, config.loss)
    if world.device.type == "cpu" and config.system.precision == "bf16":
        use_plain_attention(model)
    teacher.use_precision(config.system.precision)
    network = parallelize.parallelize(model, config.system, world)
    half = config.system.precision == "fp16"
    return TrainState(
        config=config,
        world=world,
        model=model,
        network=network,
        optimizer=optim.build_optimizer(model, config.optim),
        teacher=teacher,
        text_features=text_features.to(world.device),
        ema=Ema(model, config.optim.ema) if config.optim.ema else None,
        scaler=torch.amp.GradScaler(world.device.type) if half else None,
    )


def choose_outputs(model: UniEmoX, config: LossConfig) -> None:
    """Makes the model compute what the losses that are on need, and nothing else."""
    model.set_outputs(**needed_outputs(config))


def train_step(state: TrainState, batches: Sequence[Batch], rate: float) -> dict[str, Tensor]:
    """One step: what `backward` finds, after `update` has used its gradients."""
    found = backward(state, batches)
    update(state, rate)
    return found


def backward(state: TrainState, batches: Sequence[Batch]) -> dict[str, Tensor]:
    """The losses of the whole batch, their weighted "total", and "grad_norm" before clipping.

    The batch is all micro-batches of all processes: each loss is a mean over its rows, and each
    row's L1 looks at its texts, so the gradients do not depend on how the batch was cut.
    """
    state.optimizer.zero_grad(set_to_none=True)
    texts = torch.cat([batch.text_index for batch in batches])
    texts = parallelize.gather_rows(texts, state.world)  # frozen, so no gradient is gathered
    sums: dict[str, Tensor] = {}
    for number, batch in enumerate(batches, 1):
        with parallelize.gradients_stay_here(state.network, last=number == len(batches)):
            losses = compute_losses(state, batch, texts)
            total = total_loss(losses, state.config.loss) / len(batches)
            scaled = total if state.scaler is None else state.scaler.scale(total)
            scaled.backward()  # type: ignore[no-untyped-call]
        for name, value in losses.items():
            sums[name] = sums.get(name, 0) + value.detach() / len(batches)
        sums["total"] = sums.get("total", 0) + total.detach()
    means = parallelize.mean_over_ranks(torch.stack(list(sums.values())), state.world)
    return {**dict(zip(sums, means, strict=True)), "grad_norm": _clip(state)}


def _clip(state: TrainState) -> Tensor:
    """Norm of the gradients of all trained parameters, which are then within the recipe's limit."""
    if state.scaler is not None:
        state.scaler.unscale_(state.optimizer)
    limit = state.config.optim.clip_norm or float("inf")
    return parallelize.full_tensor(
        nn.utils.clip_grad_norm_(state.model.parameters(), limit)
    ).detach()


def update(state: TrainState, rate: float) -> None:
    """The optimizer's step at this learning rate; fp16 leaves it out where a gradient overflows."""
    optim.set_learning_rate(state.optimizer, rate)
    if state.scaler is None:
        state.optimizer.step()
    else:
        state.scaler.step(state.optimizer)
        state.scaler.update()
    if state.ema is not None:
        state.ema.update()


def skip(state: TrainState) -> None:
    """Forgets the gradients: weights, optimizer state and averages stay as they were."""
    state.optimizer.zero_grad(set_to_none=True)
    if state.scaler is not None:
        state.scaler.update()


def compute_losses(
    state: TrainState, batch: Batch, texts: Tensor | None = None
) -> dict[str, Tensor]:
    """{name: value} of the losses that are on, of a batch: teacher, both views, losses.

    texts (M,): the texts that L1 compares with; by default the batch's own.
    """
    config = state.config
    with _precision(config.system.precision, state.world.device):
        teacher_image = batch.teacher_image
        if teacher_image is None:
            teacher_image = state.teacher.image_features(batch.scene)
        scene = normalise(batch.scene, config.views.mean, config.views.std)
        person = normalise(batch.person, config.views.mean, config.views.std)
        output = state.network(scene, person, batch.scene_noise, batch.person_noise)
    text_index = batch.text_index if texts is None else texts
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
    return contextlib.nullcontext() if name == "fp32" else parallelize.autocast(name, device)
