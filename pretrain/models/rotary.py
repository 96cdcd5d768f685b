"""Encoders of timm whose positions turn queries and keys: DINOv3, Perception Encoder, EVA-02.

A patch keeps the turn of its place in the whole grid, whichever other patches are seen, so hidden
patches are left out as in MAE. Rotary positions: Su et al. (2021), "RoFormer"; in vision Fang et
al. (2023), "EVA-02"; Simeoni et al. (2025), "DINOv3"; Bolya et al. (2025), "Perception Encoder".

Letters: B images, C channels, H W pixels, P patch side, L patches, K kept patches, D width.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from emo8.core.suggest import nearest
from pretrain.models.vit import take_tokens, to_patches

logger = logging.getLogger(__name__)

PREFIX = "timm:"


class RotaryViT(nn.Module):
    """timm's encoder of that name, untrained, for square images of another size if need be."""

    def __init__(
        self, name: str, *, image_size: int, patch_size: int, dim: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        self.tower = tower(name, image_size, num_classes=0, global_pool="token")
        _check_sizes(name, self.tower, patch_size=patch_size, dim=dim, depth=depth, heads=heads)
        self.patch_size = patch_size
        self.grid = image_size // patch_size
        self.num_prefix_tokens: int = self.tower.num_prefix_tokens  # CLS and registers
        if self.tower.pos_embed is not None:
            self.tower.pos_embed.requires_grad_(False)  # as those of the other encoder

    @property
    def blocks(self) -> nn.ModuleList:
        blocks: nn.ModuleList = self.tower.blocks
        return blocks

    def encode(self, images: Tensor, keep: Tensor | None = None) -> Tensor:
        """(B, 1 + K, D) tokens after the final norm, CLS first, of images (B, C, H, W).

        Only the patches at keep (B, K) are embedded and seen; None = all of them in raster order.
        Registers take part and are left behind.
        """
        tower = self.tower
        pixels = to_patches(images, self.patch_size)  # (B, L, C*P*P)
        rope = tower.rope.get_embed(shape=(self.grid, self.grid))  # (L, turns)
        places = tower.pos_embed
        start = 0 if tower.no_embed_class else self.num_prefix_tokens
        patch_places = None if places is None else places[:, start:].expand(len(images), -1, -1)
        if keep is not None:
            pixels, rope = take_tokens(pixels, keep), rope[keep].unsqueeze(1)  # (B, 1, K, turns)
            patch_places = None if patch_places is None else take_tokens(patch_places, keep)
        projection = tower.patch_embed.proj
        tokens = functional.linear(pixels, projection.weight.flatten(1), projection.bias)
        prefix = self._prefix(len(images)).to(tokens.dtype)
        if patch_places is not None:
            tokens = tokens + patch_places
            prefix = prefix + places[:, :start] if start else prefix
        tokens = tower.norm_pre(torch.cat([prefix, tokens], dim=1))
        for block in tower.blocks:
            tokens = block(tokens, rope=rope)
        tokens = tower.norm(tokens)
        return torch.cat([tokens[:, :1], tokens[:, self.num_prefix_tokens :]], dim=1)

    def _prefix(self, images: int) -> Tensor:
        """(B, prefix, D): CLS and registers."""
        parts = [self.tower.cls_token, self.tower.reg_token]
        return torch.cat([part.expand(images, -1, -1) for part in parts if part is not None], dim=1)

    def encoder_state(self) -> dict[str, Tensor]:
        """The encoder's weights under timm's names."""
        return dict(self.tower.state_dict())

    def own_names(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights under timm's names, or those of a RUN, under ours and fitted to this grid."""
        from timm.models.eva import checkpoint_filter_fn

        if any(name.startswith("tower.") for name in weights):
            return weights
        fitted = checkpoint_filter_fn(weights, self.tower)
        if "norm.weight" not in fitted and "fc_norm.weight" in fitted:
            logger.info("the final norm of these weights stood after pooling; here it is before")
            fitted |= {f"norm.{part}": fitted[f"fc_norm.{part}"] for part in ("weight", "bias")}
        return {f"tower.{name}": value for name, value in fitted.items()}


def tower(name: str, image_size: int, **options: Any) -> Any:
    """timm's model `name`, untrained; ValueError where it is unknown or has no rotary positions."""
    import timm

    short = name.removeprefix(PREFIX).split(".")[0]
    known = timm.list_models(module="eva")
    if short not in known:
        near = ", ".join(nearest(short, known, most=3)) or "none"
        raise ValueError(
            f"model.encoder = {name!r}: not an encoder with rotary positions that timm knows; "
            f"nearest: {near}. Give the name without the tag of the weights, as "
            "vit_small_patch16_dinov3 is."
        )
    made: Any = timm.create_model(short, pretrained=False, img_size=image_size, **options)
    wrong = {
        "no CLS token": made.cls_token is None,
        "no rotary positions": made.rope is None or not hasattr(made.rope, "get_embed"),
        "turns of its own in each block": getattr(made, "rope_mixed", False),
    }
    if told := [what for what, found in wrong.items() if found]:
        raise ValueError(f"model.encoder = {name!r}: it has {' and '.join(told)}; take another")
    return made


def _check_sizes(name: str, tower: Any, **given: int) -> None:
    """ValueError with the settings that fit the tower."""
    found = {
        "patch_size": tower.patch_embed.patch_size[0],
        "dim": tower.embed_dim,
        "depth": len(tower.blocks),
        "heads": tower.blocks[0].attn.num_heads,
    }
    if found != given:
        settings = " ".join(f"--model.{key} {value}" for key, value in found.items())
        raise ValueError(f"model.encoder = {name!r} is of another size: give {settings}")
