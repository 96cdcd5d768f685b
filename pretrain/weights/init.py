"""Weights that a run starts from: public MAE, timm and open_clip towers, the authors' `.pth`.

Key names are timm's. CLIP's towers are translated by timm; positions of another grid are resampled.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pretrain.config.settings import InitConfig, PretrainConfig
from pretrain.models import activations
from pretrain.models.rotary import RotaryViT

if TYPE_CHECKING:
    from pretrain.models.uniemox import UniEmoX

logger = logging.getLogger(__name__)

UNKNOWN = "unknown"
_HEADS = ("head.", "head_dist.", "fc_norm.", "attn_pool.")  # of classifiers: left behind
_DECODER = ("decoder_", "mask_token")


def start_from(model: UniEmoX, config: InitConfig) -> None:
    """Loads the named weights into the model; ValueError lists missing, unknown or misfit keys."""
    from emo8.labels.clip import weight_names  # not needed to train from a cache

    rotary = isinstance(model.mae, RotaryViT)
    public = read(config.weights, rotary=rotary)
    found, own = own_names(public, model.mae), model.mae.state_dict()
    tell_resampled(config.weights, public, own)
    has_decoder = any(name.startswith(_DECODER) for name in found)
    whole = config.part == "all" or (config.part == "auto" and has_decoder)
    wanted = {name for name in own if whole or not name.startswith(_DECODER)}
    found = {
        name: value
        for name, value in found.items()
        if not name.removeprefix("tower.").startswith(_HEADS)
        and (whole or not name.startswith(_DECODER))
    }
    misfit = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(own[name].shape)}"
        for name in sorted(wanted & set(found))
        if found[name].shape != own[name].shape
    ]
    problems = {
        "missing": sorted(wanted - set(found)),
        "unknown": sorted(set(found) - wanted),
        "of another size": misfit,
    }
    told = [f"{what}: {', '.join(names)}" for what, names in problems.items() if names]
    if wanted and not wanted & set(found) and (start := weight_names.common_beginning([*found])):
        raise ValueError(
            f"--init.weights {config.weights}: every name begins with {start!r}, which is none of "
            f"the wrappers known here ({' '.join(weight_names.PREFIXES)}). Save the weights "
            "without it."
        )
    if told:
        raise ValueError(
            f"--init.weights {config.weights} does not fit the model; {'; '.join(told)}. "
            "Check --model.* sizes, --model.pre_norm for CLIP towers, or --init.part encoder."
        )
    model.mae.load_state_dict({**own, **found})
    logger.info("started from %s: %d tensors", config.weights, len(found))


def tell_resampled(name: str, public: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    """Warn where patches or positions of another size are resampled, which costs some of them."""
    sizes = {
        "patches": (("patch_embed.proj.weight", "conv1.weight"), slice(-2, None)),
        "positions": (("pos_embed", "positional_embedding"), slice(-2, -1)),
    }
    bare = {key.split("visual.")[-1].removeprefix("trunk."): v for key, v in public.items()}
    for what, (names, axes) in sizes.items():
        theirs, mine = next((bare[n] for n in names if n in bare), None), own.get(names[0])
        if theirs is None or mine is None:
            continue
        before, now = tuple(theirs.shape[axes]), tuple(mine.shape[axes])
        only_cls = what == "positions" and abs(before[0] - now[0]) <= 1
        if before != now and not only_cls:
            was, becomes = ("x".join(map(str, size)) for size in (before, now))
            logger.warning("%s: %s of size %s are resampled to %s", name, what, was, becomes)


def check_activation(config: PretrainConfig) -> None:
    """Warn where the weights that a run starts from were trained with another activation."""
    trained = activations.of(config.init.weights)
    if trained not in (None, config.model.activation):
        logger.warning(
            "%s was trained with %s, and the student computes %s: its features begin elsewhere. "
            "Give --model.activation %s to keep them.",
            config.init.weights, trained, config.model.activation, trained,
        )  # fmt: skip


def check_pixels(config: PretrainConfig) -> None:
    """Warn where public weights were trained on pixels of another mean and spread."""
    started = config.init.weights
    trained: Any = None
    if started.startswith("timm:"):
        import timm

        trained = timm.get_pretrained_cfg(started.removeprefix("timm:"))
    elif started.startswith("open_clip:"):
        from emo8.labels.clip import encoder

        trained = encoder.load(started)
    for name in ("mean", "std"):
        wanted, own = getattr(trained, name, None), getattr(config.views, name)
        if wanted is not None and tuple(wanted) != tuple(own):
            value = ",".join(str(part) for part in wanted)
            logger.warning(
                "%s saw pixels of another %s: give --views.%s %s to keep its features",
                *(config.init.weights, name, name, value),
            )


def refuse_rotary(name: str, model: torch.nn.Module) -> None:
    """ValueError for encoders that turn their queries by position: the weights alone would fit."""
    if getattr(model, "rope", None) is not None:
        raise ValueError(
            f"--init.weights {name}: its positions are rotary (as those of DINOv3 and PE), which "
            "the encoder trained here has not, so the weights would mean something else. Give "
            f"--model.encoder {name.split('.')[0]} as well."
        )


def read(name: str, *, rotary: bool) -> dict[str, Tensor]:
    """{key: tensor} of a file, `timm:NAME` or `open_clip:NAME/TAG`, for such an encoder."""
    if name.startswith("timm:"):
        import timm

        short = name.removeprefix("timm:")
        if not rotary:
            with torch.device("meta"):  # before hundreds of megabytes are fetched
                refuse_rotary(name, timm.create_model(short, pretrained=False))
        return dict(timm.create_model(short, pretrained=True).state_dict())
    if name.startswith("open_clip:"):
        from emo8.labels.clip import encoder

        tower = encoder.load(name).model.visual
        return {f"visual.{key}": value for key, value in tower.state_dict().items()}
    return read_file(Path(name))


def read_file(path: Path) -> dict[str, Tensor]:
    """{key: tensor} of a .safetensors or of a pickled checkpoint, read without running its code.

    `argparse.Namespace` is the one class allowed besides tensors and plain containers.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ValueError(f"--init.weights {path}: no such file")
    try:
        if path.suffix == ".safetensors":
            return _plain(load_file(path))
        with torch.serialization.safe_globals([argparse.Namespace]):
            return _plain(torch.load(path, map_location="cpu", weights_only=True))
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError) as problem:
        raise ValueError(f"--init.weights {path}: not a readable checkpoint ({problem})") from None
    except Exception as problem:  # torch raises pickle.UnpicklingError for classes not allowed
        first = str(problem).strip().splitlines()[0]
        raise ValueError(f"--init.weights {path}: refused, {first}") from None


def _plain(content: Any) -> dict[str, Tensor]:
    from emo8.labels.clip import weight_names

    weights = weight_names.plain(content)
    if not weights:
        raise ValueError("it holds no tensors")
    return weights


def own_names(weights: dict[str, Tensor], encoder: Any) -> dict[str, Tensor]:
    """The weights under the names of the encoder, which are timm's, fitted to its grid."""
    if isinstance(encoder, RotaryViT):
        return encoder.own_names(weights)
    from timm.models.vision_transformer import checkpoint_filter_fn

    places = weights["pos_embed"].shape[1] if "pos_embed" in weights else 2
    if "cls_token" not in weights and math.isqrt(places) ** 2 == places:  # a grid and no more
        weights = _with_cls(weights, encoder)
    fitted: dict[str, Tensor] = checkpoint_filter_fn(dict(weights), encoder)  # type: ignore[assignment]
    if "mask_token" in weights:  # timm's ViT has none and drops it
        fitted = {**fitted, "mask_token": weights["mask_token"]}
    return fitted


def _with_cls(weights: dict[str, Tensor], encoder: Any) -> dict[str, Tensor]:
    """Weights of an encoder without CLS, as SigLIP's: with a fresh token at position zero."""
    places = weights["pos_embed"]
    logger.info("the weights have no CLS token: it begins untrained")
    return {
        **weights,
        "cls_token": encoder.cls_token.detach().clone(),
        "pos_embed": torch.cat([torch.zeros_like(places[:, :1]), places], dim=1),
    }


def resolve_license(config: PretrainConfig) -> PretrainConfig:
    """`config` with the licence of its initialisation: stated, looked up, or "unknown"."""
    init = config.init
    if not init.weights or init.license:
        return config
    found = UNKNOWN
    if init.weights.startswith("timm:"):
        import timm

        described = timm.get_pretrained_cfg(init.weights.removeprefix("timm:"))
        found = getattr(described, "license", None) or UNKNOWN
    elif init.weights.startswith("open_clip:"):
        from emo8.labels.clip import encoder

        found = encoder.load(init.weights).license
    return dataclasses.replace(config, init=dataclasses.replace(init, license=found))
