"""Between which numbers each setting makes sense; outside them training would go wrong unseen.

A negative clip_norm turns every gradient around, pixels of mean 123 are no fractions, a probability
of 2 is always: torch computes with all of them.
"""

from __future__ import annotations

import math
from typing import Any

ANY = math.inf
TINY = 1e-12  # above zero
BELOW_1 = math.nextafter(1, 0)
FINITE = math.nextafter(ANY, 0)

RANGES: dict[str, tuple[float, float]] = {
    "model.depth": (1, ANY),
    "model.decoder_depth": (0, ANY),
    "model.mlp_ratio": (TINY, ANY),
    "model.norm_eps": (0, 1),
    "model.fusion_heads": (1, ANY),
    "views.scene_scale": (TINY, 1),
    "views.person_scale": (TINY, 1),
    "views.flip_prob": (0, 1),
    "views.person_margin": (0, ANY),
    "views.person_min_side_px": (0, ANY),
    "views.mean": (0, 1),
    "views.std": (TINY, 1),
    "data.num_workers": (0, ANY),
    "optim.lr": (TINY, FINITE),  # too large a rate is found by the first loss that is no number
    "optim.min_lr": (0, 1e6),
    "optim.cooldown_share": (0, 1),
    "optim.warmup_share": (0, BELOW_1),
    "optim.warmup_steps": (0, ANY),
    "optim.layer_decay": (TINY, 1),
    "optim.weight_decay": (0, 1e6),
    "optim.betas": (0, BELOW_1),
    "optim.clip_norm": (0, ANY),
    "loss.contrastive": (0, 1e9),
    "loss.similarity": (0, 1e9),
    "loss.reconstruction": (0, 1e9),
    "system.timeout_s": (0, ANY),
    "system.max_nonfinite": (0, ANY),
    "system.spike_factor": (0, ANY),
    "log.every_s": (0, ANY),
    "log.pictures_every": (0, ANY),
    "log.peak_tflops": (0, ANY),
    "log.probe_every_epochs": (0, ANY),
    "log.probe_rows": (1, ANY),
}


def check(config: Any) -> None:
    """ValueError that names the first setting of a `PretrainConfig` that is outside its range."""
    for name, (low, high) in RANGES.items():
        section, _, field = name.partition(".")
        value = getattr(getattr(config, section), field)
        for number in value if isinstance(value, tuple) else (value,):
            if not low <= number <= high:
                raise ValueError(f"{name} = {_shown(value)}: {_told(low, high)}")


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _told(low: float, high: float) -> str:
    least = "above 0" if low == TINY else f"at least {low:g}"
    most = {ANY: "", FINITE: " and finite", BELOW_1: " and below 1"}.get(
        high, f" and at most {high:g}"
    )
    return least + most
