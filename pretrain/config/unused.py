"""Settings that were given and that the rest of the recipe has no use for.

What somebody sets and nothing reads would be believed to be in the results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pretrain.config.settings import PretrainConfig

HEADLESS = ("layernorm_sum", "scene_only", "person_only")  # fusions without heads
PERSON = ("person_scale", "person_jitter", "person_margin", "person_min_side_px")
DECODER = ("decoder_depth", "decoder_heads", "decoder", "predicted_share")


def _names(section: str, *fields: str) -> tuple[str, ...]:
    return tuple(f"{section}.{field}" for field in fields)


# settings, whether a config has no use for them, and why
UNUSED: tuple[tuple[tuple[str, ...], Callable[[PretrainConfig], bool], str], ...] = (
    (("optim.cooldown_share",), lambda c: c.optim.schedule != "constant",
     "only --optim.schedule constant cools down"),
    (("optim.warmup_share",), lambda c: c.optim.warmup_steps > 0,
     "optim.warmup_steps is set and comes first"),
    (("data.shuffle_rows",), lambda c: not c.data.streaming, "it goes with --data.streaming true"),
    (("model.fusion_heads",), lambda c: c.model.fusion in HEADLESS,
     "the fusion of this recipe (model.fusion) has no heads"),
    (_names("loss", "contrastive", "contrastive_kind"), lambda c: not c.loss.contrastive_on,
     "loss.contrastive_on is false"),
    (("loss.similarity",), lambda c: not c.loss.similarity_on, "loss.similarity_on is false"),
    (_names("loss", "reconstruction", "norm_pix"), lambda c: not c.loss.reconstruction_on,
     "loss.reconstruction_on is false"),
    (_names("model", *DECODER),
     lambda c: not c.loss.reconstruction_on and not c.loss.further,
     "loss.reconstruction_on is false, so nothing is decoded"),
    (_names("log", "probe_column", "probe_rows"), lambda c: not c.log.probe_every_epochs,
     "it goes with --log.probe_every_epochs"),
    (_names("init", "part", "license"), lambda c: not c.init.weights,
     "it goes with --init.weights"),
    ((*_names("views", *PERSON, "augment_views"), "model.person_mask_ratio"),
     lambda c: c.model.fusion == "scene_only", "model.fusion scene_only sees no person view"),
    (("views.augment_views",), lambda c: not c.views.flip_prob and not c.views.colour_jitter,
     "both views are neither flipped nor recoloured"),
)  # fmt: skip


def check(config: PretrainConfig, base: PretrainConfig, given: Mapping[str, str]) -> None:
    """ValueError for a given setting that differs from the recipe's and would change nothing."""
    for name in given:
        if (why := _reason(config, name)) and _value(config, name) != _value(base, name):
            raise ValueError(f"--{name} would change nothing: {why}. Leave it out, or change that.")


def _reason(config: PretrainConfig, name: str) -> str | None:
    found: Iterable[str] = (
        why for names, unused, why in UNUSED if name in names and unused(config)
    )
    return next(iter(found), None)


def _value(config: Any, name: str) -> Any:
    for part in name.split("."):
        config = config.get(part) if isinstance(config, dict) else getattr(config, part)
    return config
