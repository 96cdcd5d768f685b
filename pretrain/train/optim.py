"""AdamW over groups of parameters, its learning rate over a run, and averaged weights."""

from __future__ import annotations

import math

import torch
from timm.optim import param_groups_layer_decay, param_groups_weight_decay
from torch import nn

from pretrain.config.settings import OptimConfig
from pretrain.models.uniemox import UniEmoX


def build_optimizer(model: UniEmoX, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019) over timm's groups; frozen parameters are left out.

    Weight decay on matrices only, not on biases, norms, tokens or positions. A group's "lr_scale"
    is what layer decay (Clark et al. 2020, "ELECTRA"; Bao et al. 2022, "BEiT") leaves of the rate.
    """
    common = {"weight_decay": config.weight_decay, "no_weight_decay_list": model.no_weight_decay()}
    if config.layer_decay == 1:
        groups = param_groups_weight_decay(model, **common)
    else:
        groups = param_groups_layer_decay(model, layer_decay=config.layer_decay, **common)
    groups = [{"lr_scale": 1.0, **group} for group in groups]
    trained = [parameter for group in groups for parameter in group["params"]]
    fused = all(p.device.type != "meta" for p in trained)  # meta: shapes only, for counting
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=fused)


def learning_rate(step: int, *, steps: int, global_batch: int, config: OptimConfig) -> float:
    """The rate of step 1..steps: linear warm-up, then the schedule down to `min_lr`.

    Peak by the linear scaling rule of Goyal et al. (2017), lr * global batch / 256. "cosine" of
    Loshchilov and Hutter (2017), "SGDR"; "constant" with a linear cool-down as in Zhai et al.
    (2022), "Scaling Vision Transformers", sec. 3.5: before the cool-down it does not depend on
    `steps`, so a run can be made longer.
    """
    peak = config.lr * global_batch / 256
    warmup = config.warmup_steps or round(config.warmup_share * steps)
    if step <= warmup:
        return peak * step / warmup
    if config.schedule == "constant":
        cooldown = max(1, round(config.cooldown_share * steps))
        left = min(1.0, (steps - step) / cooldown)
        return config.min_lr + (peak - config.min_lr) * left
    progress = (step - warmup) / max(1, steps - warmup)
    return config.min_lr + (peak - config.min_lr) * 0.5 * (1 + math.cos(math.pi * progress))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Every group gets its share of the rate of this step."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]


class Ema:
    """Running average of the trained weights.

    Polyak and Juditsky (1992); decay rises to its value as (1 + n) / (10 + n) over the first
    updates n, so that the untrained start is soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.decay, self.updates = decay, 0
        self._live = [parameter for _, parameter in trained]
        self.averages = {name: p.detach().clone() for name, p in trained}

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for average, live in zip(self.averages.values(), self._live, strict=True):
            average.lerp_(live, 1 - decay)
