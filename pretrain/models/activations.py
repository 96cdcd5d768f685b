"""Which activation public weights were trained with: the names they go by often do not say it.

timm has most CLIP image towers twice, as `vit_base_patch16_clip_224` with GELU and as
`vit_base_patch16_clip_quickgelu_224`, and offers OpenAI's, MetaCLIP's and DFN's weights under the
first name as well, where they give other features than they were trained to give.
"""

from __future__ import annotations

GELU, QUICK_GELU = "gelu", "quick_gelu"


def of(weights: str) -> str | None:
    """GELU or QUICK_GELU for `timm:NAME` and `open_clip:NAME/TAG`; None where nobody knows."""
    if weights.startswith("timm:"):
        return of_timm(weights.removeprefix("timm:"))
    if weights.startswith("open_clip:"):
        from emo8.labels.clip import models

        return models.settings_of(*models.known_pair(weights)).activation
    return None


def of_timm(name: str) -> str:
    """The activation that timm's weights `name` were trained with, where it is QuickGELU.

    It is where timm offers the same file under a `quickgelu` name too, or where open_clip says so
    of every model with weights of this tag.
    """
    import timm
    from timm.models import is_model_in_modules

    from emo8.labels.clip.models import quick_gelu_tags

    architecture, config = name.split(".")[0], timm.get_pretrained_cfg(name)
    if config is None or "_clip_" not in architecture:
        return GELU
    if not is_model_in_modules(architecture, ["vision_transformer"]):
        return GELU
    files = {
        described.hf_hub_id
        for other in timm.list_models("*_clip_quickgelu_*", pretrained=True)
        if (described := timm.get_pretrained_cfg(other)) is not None
    }
    quick = config.hf_hub_id in files or config.tag in quick_gelu_tags()
    return QUICK_GELU if quick else GELU
