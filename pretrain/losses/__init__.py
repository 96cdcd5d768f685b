"""The losses of UniEmoX, one file each, and their weighted sum.

A file in this folder with a variable `LOSS` (see base.py) is a loss: it is trained, logged and
plotted under its name, with the weight it says or `--loss.further.NAME`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import torch
from torch import Tensor

from pretrain.config.settings import OWN_LOSSES, LossConfig, unknown_setting
from pretrain.losses.base import Loss, Targets
from pretrain.losses.contrastive import contrastive_loss, paired_contrastive_loss
from pretrain.losses.reconstruction import reconstruction_loss, reconstruction_target
from pretrain.losses.similarity import similarity_loss
from pretrain.models.uniemox import Output

__all__ = [
    "Loss",
    "Targets",
    "all_losses",
    "contrastive_loss",
    "further_weights",
    "needed_outputs",
    "paired_contrastive_loss",
    "reconstruction_loss",
    "reconstruction_target",
    "registered",
    "similarity_loss",
    "total_loss",
]


@cache
def registered() -> dict[str, Loss]:
    """{name: loss} of every file in this folder, by name; ValueError where two share a name."""
    found: dict[str, Loss] = {}
    for module in iter_modules(__path__):
        loss = getattr(import_module(f"{__name__}.{module.name}"), "LOSS", None)
        if loss is None:
            continue
        if loss.name in found:
            raise ValueError(f"pretrain/losses/{module.name}.py: another file has {loss.name!r}")
        found[loss.name] = loss
    return dict(sorted(found.items()))


def further_weights() -> dict[str, float]:
    """{name: weight} of the losses that have no settings of their own: those somebody added."""
    return {name: loss.weight for name, loss in registered().items() if name not in OWN_LOSSES}


def active(config: LossConfig) -> list[Loss]:
    """The losses that a run computes; ValueError names one whose file is gone."""
    known = registered()
    for name in config.weights:
        if name not in known:
            raise ValueError(unknown_setting(f"loss.further.{name}", _as_settings(known)))
    return [known[name] for name in config.weights]


def _as_settings(names: dict[str, Loss]) -> list[str]:
    return [f"loss.further.{name}" for name in names if name not in OWN_LOSSES]


def needed_outputs(config: LossConfig) -> dict[str, bool]:
    """{"student", "pred": whether any loss that is on reads it}: for `UniEmoX.set_outputs`."""
    needs = frozenset[str]().union(*(loss.needs for loss in active(config)))
    return {"student": "student" in needs, "pred": "pred" in needs}


def all_losses(
    output: Output, targets: Targets, config: LossConfig, *, patch_size: int
) -> dict[str, Tensor]:
    """{name: value} of the losses that are on, in float32 from a forward pass."""
    return {loss.name: loss.compute(output, targets, config, patch_size) for loss in active(config)}


def total_loss(losses: dict[str, Tensor], config: LossConfig) -> Tensor:
    """The weighted sum that is minimised."""
    return torch.stack([config.weights[name] * value for name, value in losses.items()]).sum()
