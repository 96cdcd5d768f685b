"""AdamW over groups of parameters, its learning rate over a run, and averaged weights."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import nn

from pretrain.config.settings import OptimConfig


def build_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); weight decay on matrices only, not on biases, norms,
    tokens or positions. Frozen parameters are left out.

    A group's "lr_scale" is what layer decay leaves of the learning rate.
    """
    depth = 1 + max((layer_of(name) or 0 for name, _ in model.named_parameters()), default=0)
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        layer = layer_of(name)
        layer = depth if layer is None or config.layer_decay == 1 else layer
        decays = parameter.ndim >= 2 and not is_token(name)
        if (layer, decays) not in groups:
            groups[layer, decays] = {
                "params": [],
                "weight_decay": config.weight_decay if decays else 0.0,
                "lr_scale": config.layer_decay ** (depth - layer),
            }
        groups[layer, decays]["params"].append(parameter)
    ordered = [groups[key] for key in sorted(groups, key=lambda key: (key[0], not key[1]))]
    trained = [parameter for group in ordered for parameter in group["params"]]
    fused = all(p.device.type != "meta" for p in trained)  # meta: shapes only, for counting
    return torch.optim.AdamW(ordered, lr=config.lr, betas=config.betas, fused=fused)


def layer_of(name: str) -> int | None:
    """Place in the encoder's stack: 0 below the first block, then 1, 2, …; None above the last.

    For layer-wise decay as in Clark et al. (2020), "ELECTRA", and Bao et al. (2022), "BEiT".
    """
    if found := re.match(r"mae\.blocks\.(\d+)\.", name):
        return int(found[1]) + 1
    below = ("mae.patch_embed.", "mae.cls_token", "mae.pos_embed", "mae.norm_pre.")
    return 0 if name.startswith(below) else None


def is_token(name: str) -> bool:
    """True for parameters that are shaped like matrices but added to activations."""
    leaf = name.rsplit(".", 1)[-1]
    return leaf in {"cls_token", "mask_token", "alpha", "beta", "bias"}


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
