"""Models of timm with their weights, computed as these were trained."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from emo8.core.errors import ModelError
from emo8.core.suggest import nearest
from pretrain.models import activations

# What timm's configs leave out: how pictures reached these weights in training. timm cuts a tenth
# off for its own evaluation habit (crop_pct 0.9), or off the longer side, where the weights saw the
# whole picture squashed; open_clip's configs of the same weights say so. First pattern that fits.
AS_TRAINED: tuple[tuple[str, dict[str, Any]], ...] = (
    (r"siglip", {"crop_mode": "squash", "crop_pct": 1.0}),
    (r"vit_pe_core", {"crop_mode": "squash", "crop_pct": 1.0, "interpolation": "bilinear"}),
    (r"_clip_.*\.(openai|laion|datacomp|dfn|metaclip)[^.]*$", {"crop_pct": 1.0}),
)


def preprocessing(name: str, model: Any = None) -> dict[str, Any]:
    """Options of timm's `create_transform`: the model's own config, mended by AS_TRAINED.

    Weights that were tuned on ImageNet (`…_ft_in1k`) keep what timm says: it was timm's tuning.
    """
    import timm
    import timm.data

    data: Any = timm.data
    if model is not None:
        found: dict[str, Any] = data.resolve_model_data_config(model)
    else:
        cfg = timm.models.get_pretrained_cfg(name)
        found = data.resolve_data_config(pretrained_cfg=cfg.to_dict())
    if "_ft_" not in name:
        for pattern, options in AS_TRAINED:
            if re.search(pattern, name):
                return {**found, **options}
    return found


def create(name: str, **options: Any) -> Any:
    """The model `timm:name` with its weights; ModelError where it is unknown or cannot be had."""
    import timm

    known = timm.list_models(pretrained=True)
    if name not in known and name.split(".")[0] not in timm.list_models():
        near = ", ".join(nearest(name, known, most=3))
        raise ModelError(f"timm:{name}: timm has no {name!r}; nearest: {near}.")
    if activations.of_timm(name) == activations.QUICK_GELU:
        options["act_layer"] = activations.QUICK_GELU
    try:
        return timm.create_model(name, pretrained=True, **options)
    except Exception as error:  # download clients raise anything from OSError to RuntimeError
        raise ModelError(
            f"timm:{name}: its weights could not be had ({type(error).__name__}: {error}). "
            "Check the network, or download them once where there is one (HF_HOME holds them)."
        ) from error


def identity(name: str, model: Any, config: dict[str, Any]) -> str:
    """SHA-256 of a model's weights and of what is not as timm says: activation, preprocessing."""
    import timm.data
    import torch

    data: Any = timm.data
    other = "" if activations.of_timm(name) == activations.GELU else " quick_gelu"
    if config != data.resolve_model_data_config(model):
        other += f" {sorted(config.items())}"
    digest = hashlib.sha256((name + other).encode())
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
