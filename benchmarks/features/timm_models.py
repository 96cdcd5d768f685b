"""Models of timm with their weights, computed as these were trained."""

from __future__ import annotations

from typing import Any

from emo8.core.errors import ModelError
from emo8.core.suggest import nearest
from pretrain.weights import activations


def create(name: str, **options: Any) -> Any:
    """The model `timm:name` with its weights; ModelError where it is unknown or cannot be had."""
    import timm

    known = timm.list_models(pretrained=True)
    if name not in known and name.split(".")[0] not in timm.list_models():
        near = ", ".join(nearest(name, known, most=3))
        raise ModelError(f"--model timm:{name}: timm has no {name!r}; nearest: {near}.")
    if activations.of_timm(name) == activations.QUICK_GELU:
        options["act_layer"] = activations.QUICK_GELU
    try:
        return timm.create_model(name, pretrained=True, **options)
    except Exception as error:  # download clients raise anything from OSError to RuntimeError
        raise ModelError(
            f"--model timm:{name}: its weights could not be had ({type(error).__name__}: {error}). "
            "Check the network, or download them once where there is one (HF_HOME holds them)."
        ) from error
