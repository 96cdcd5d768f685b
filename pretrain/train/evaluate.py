"""Did a run learn: its losses on a held-out split, against the untrained model and a mean patch."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pretrain.config.settings import PretrainConfig
from pretrain.data.batches import fixed_batches
from pretrain.data.cache import open_source
from pretrain.data.dataset import Source
from pretrain.losses import reconstruction_loss, reconstruction_target
from pretrain.models.uniemox import UniEmoX, build_model
from pretrain.models.vit import mask_by_noise
from pretrain.teacher import Teacher, load_teacher
from pretrain.train.optim import build_optimizer
from pretrain.train.parallelize import World
from pretrain.train.step import TrainState, choose_outputs, compute_losses
from pretrain.views.cut import normalise
from pretrain.weights import encoder

# L3 must be this much below the mean patch's, so that noise does not pass for learning.
CLEARLY_BELOW = 0.95


def evaluate(
    run: Path, data: str, split: str, *, teacher: str | None = None, limit: int = 512
) -> dict[str, Any]:
    """{"before", "after": {name: loss}, "mean_patch": L3, "passed", "rows", "split"}.

    Rows of `split` in order, middle crops, the same masks for all. `mean_patch` is the L3 of a
    predictor that always gives the mean target patch of the training split. "passed" asks for L3
    clearly below it and for every other loss below that of the untrained model.
    """
    model, config = encoder.load_model(run)
    if "L3" not in config.loss.weights:
        raise ValueError(f"{run}: trained without L3, so there is no reconstruction to judge")
    held_out = open_source(data, split, config)
    loaded = _its_teacher(run, config, teacher)
    untrained = build_model(config.model, teacher_dim=loaded.dim, seed=config.seed).eval()
    texts = loaded.text_features(held_out.texts)
    before = _losses(untrained, config, loaded, texts, held_out, limit)
    after = _losses(model, config, loaded, texts, held_out, limit)
    mean_patch = _mean_patch_loss(config, open_source(data, "train", config), held_out, limit)
    passed = after["L3"] < CLEARLY_BELOW * mean_patch
    passed = passed and all(after[name] < before[name] for name in after if name != "L3")
    return {
        "before": before,
        "after": after,
        "mean_patch": mean_patch,
        "passed": passed,
        "rows": min(limit, len(held_out.ids)),
        "split": split,
    }


def _its_teacher(run: Path, config: PretrainConfig, name: str | None) -> Teacher:
    """The run's teacher, from `name` where that lies in a folder; ValueError for another one."""
    loaded = load_teacher(
        config.teacher if name is None else dataclasses.replace(config.teacher, name=name),
        torch.device("cpu"),
    )
    wanted = json.loads((run / "config.json").read_text("utf-8"))["teacher"]["sha256"]
    if loaded.sha256 != wanted:
        raise ValueError(
            f"{run} was trained with teacher {config.teacher.name} of SHA-256 {wanted[:12]}, and "
            f"{loaded.name} has {loaded.sha256[:12]}: name its own with --teacher.name"
        )
    return loaded


@torch.inference_mode()
def _losses(
    model: UniEmoX,
    config: PretrainConfig,
    teacher: Teacher,
    texts: Tensor,
    source: Source,
    limit: int,
) -> dict[str, float]:
    """Means over batches, weighted by their rows."""
    choose_outputs(model, config.loss)
    state = TrainState(
        config=config,
        world=World(rank=0, size=1, device=torch.device("cpu")),
        model=model,
        network=model,
        optimizer=build_optimizer(model, config.optim),
        teacher=teacher,
        text_features=texts,
    )
    sums: defaultdict[str, float] = defaultdict(float)
    rows = 0
    for batch in fixed_batches(source, config, range(min(limit, len(source.ids)))):
        for name, value in compute_losses(state, batch).items():
            sums[name] += value.item() * len(batch.ids)
        rows += len(batch.ids)
    return {name: total / rows for name, total in sums.items()}


@torch.inference_mode()
def _mean_patch_loss(config: PretrainConfig, train: Source, held_out: Source, limit: int) -> float:
    """L3 of always predicting the training split's mean target patch."""
    seen = targets_and_masks(config, train, limit)
    targets = [target.mean(dim=(0, 1)) for target, _ in seen]
    mean_patch = torch.stack(targets).mean(dim=0)
    losses, rows = [], []
    for target, mask in targets_and_masks(config, held_out, limit):
        losses.append(reconstruction_loss(mean_patch.expand_as(target), target, mask))
        rows.append(len(target))
    weights = torch.tensor(rows, dtype=torch.float32)
    return float((torch.stack(losses) * weights).sum() / weights.sum())


def targets_and_masks(
    config: PretrainConfig, source: Source, limit: int
) -> list[tuple[Tensor, Tensor]]:
    """Reconstruction targets (B, L, P*P*C) and masks (B, L) of the fixed batches."""
    found = []
    for batch in fixed_batches(source, config, range(min(limit, len(source.ids)))):
        scene = normalise(batch.scene, config.views.mean, config.views.std)
        target = reconstruction_target(
            scene, config.model.patch_size, norm_pix=config.loss.norm_pix
        )
        mask = mask_by_noise(batch.scene_noise, config.model.scene_mask_ratio).mask
        found.append((target, mask))
    return found
