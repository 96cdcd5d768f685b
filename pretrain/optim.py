"""AdamW over two groups of parameters, and the learning rate as a function of the step."""

from __future__ import annotations

import math

import torch
from torch import nn

from pretrain.config import OptimConfig


def build_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); weight decay on matrices only, not on biases, norms,
    tokens or positions. Frozen parameters are left out.
    """
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in trained if p.ndim >= 2 and not is_token(name)]
    rest = [p for name, p in trained if p.ndim < 2 or is_token(name)]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    fused = all(p.device.type != "meta" for _, p in trained)  # meta: shapes only, for counting
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=fused)


def is_token(name: str) -> bool:
    """True for parameters that are shaped like matrices but added to activations."""
    leaf = name.rsplit(".", 1)[-1]
    return leaf in {"cls_token", "mask_token", "alpha", "beta", "bias"}


def learning_rate(step: int, *, steps: int, global_batch: int, config: OptimConfig) -> float:
    """The rate of step 1..steps: linear warm-up, then a cosine to `min_lr`.

    Peak by the linear scaling rule of Goyal et al. (2017), lr * global batch / 256; cosine of
    Loshchilov and Hutter (2017), "SGDR".
    """
    peak = config.lr * global_batch / 256
    warmup = round(config.warmup_share * steps)
    if step <= warmup:
        return peak * step / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return config.min_lr + (peak - config.min_lr) * 0.5 * (1 + math.cos(math.pi * progress))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Every group gets the rate of this step."""
    for group in optimizer.param_groups:
        group["lr"] = rate
