"""A timm VisionTransformer that can look at some patches only.

Key names are timm's, which are also those of public MAE checkpoints.

Letters: B images, C channels, H W pixels, P patch side, L patches, K kept patches, D width.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional


class Masking(NamedTuple):
    """Which patches stay."""

    keep: Tensor  # (B, K) indices of the kept patches, in ascending order of noise
    mask: Tensor  # (B, L) 1 = masked
    restore: Tensor  # (B, L) puts kept-then-masked tokens back in raster order
    hidden: Tensor  # (B, L - K) indices of the masked patches, in ascending order of noise


def mask_by_noise(noise: Tensor, ratio: float) -> Masking:
    """Masking that keeps the floor(L * (1 - ratio)) patches with the smallest noise (B, L).

    Random masking of He et al. (2022), "Masked Autoencoders Are Scalable Vision Learners", sec. 3.
    """
    num_patches = noise.shape[1]
    num_kept = int(num_patches * (1 - ratio))
    shuffle = torch.argsort(noise, dim=1, stable=True)
    restore = torch.argsort(shuffle, dim=1)
    mask = (restore >= num_kept).to(noise.dtype)
    return Masking(shuffle[:, :num_kept], mask, restore, shuffle[:, num_kept:])


def take_tokens(tokens: Tensor, index: Tensor) -> Tensor:
    """(B, K, D): the tokens (B, L, D) at index (B, K)."""
    return tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


def sincos_positions(dim: int, grid: int) -> Tensor:
    """(1, 1 + L, D) fixed positions, zero for CLS.

    First half from the column, second half from the row, each sine then cosine, as public MAE
    checkpoints have them.
    """
    omega = 1.0 / 10000 ** (torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    angles = torch.arange(grid, dtype=torch.float64)[:, None] * omega  # (grid, D/4)
    axis = torch.cat([angles.sin(), angles.cos()], dim=1)  # (grid, D/2)
    by_column = axis.repeat(grid, 1)  # (L, D/2)
    by_row = axis.repeat_interleave(grid, dim=0)  # (L, D/2)
    positions = torch.cat([by_column, by_row], dim=1)  # (L, D)
    return torch.cat([torch.zeros(1, dim), positions.float()]).unsqueeze(0)


class MaskedViT(VisionTransformer):
    """A ViT with CLS and fixed sin-cos positions whose forward pass may drop patches."""

    cls_token: nn.Parameter
    pos_embed: nn.Parameter

    def __init__(
        self,
        *,
        image_size: int,
        patch_size: int,
        dim: int,
        depth: int,
        heads: int,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-6,
        pre_norm: bool = False,
        activation: str = "gelu",
    ) -> None:
        super().__init__(
            img_size=image_size,
            patch_size=patch_size,
            embed_dim=dim,
            depth=depth,
            num_heads=heads,
            mlp_ratio=mlp_ratio,
            qkv_bias=True,
            num_classes=0,
            global_pool="token",
            norm_layer=partial(nn.LayerNorm, eps=norm_eps),
            weight_init="skip",
            pre_norm=pre_norm,
            act_layer=activation,
        )
        self.patch_size = patch_size
        self.grid = image_size // patch_size
        positions = sincos_positions(dim, self.grid)
        self.pos_embed = nn.Parameter(positions, requires_grad=False)  # fixed, as in MAE
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        nn.init.normal_(self.cls_token, std=0.02)
        init_linear_layers(self)
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.flatten(1))  # as a linear layer
        if self.patch_embed.proj.bias is not None:  # timm leaves it out with pre_norm, as CLIP does
            nn.init.zeros_(self.patch_embed.proj.bias)

    def encode(self, images: Tensor, keep: Tensor | None = None) -> Tensor:
        """(B, 1 + K, D) tokens after the final norm, CLS first, of images (B, C, H, W).

        Only the patches at keep (B, K) are embedded and seen; None = all of them in raster order.
        """
        pixels = to_patches(images, self.patch_size)  # (B, L, C*P*P)
        positions = self.pos_embed[:, 1:].expand(len(images), -1, -1)  # (B, L, D)
        if keep is not None:
            pixels, positions = take_tokens(pixels, keep), take_tokens(positions, keep)
        projection = self.patch_embed.proj
        tokens = (
            functional.linear(pixels, projection.weight.flatten(1), projection.bias) + positions
        )
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(len(images), -1, -1)
        tokens = torch.cat([cls.to(tokens.dtype), tokens], dim=1)
        encoded: Tensor = self.norm(self.blocks(self.norm_pre(tokens)))
        return encoded

    def encoder_state(self) -> dict[str, Tensor]:
        """The encoder's weights under timm's names."""
        return {
            name: value
            for name, value in self.state_dict().items()
            if not name.startswith(("decoder_", "mask_token"))
        }


def to_patches(images: Tensor, patch_size: int) -> Tensor:
    """(B, L, C*P*P) pixels of each patch, ordered (channel, row, column) as a convolution's."""
    batch, channels, height, width = images.shape
    rows, columns = height // patch_size, width // patch_size
    split = images.reshape(batch, channels, rows, patch_size, columns, patch_size)
    return split.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, -1)


def use_plain_attention(model: nn.Module) -> None:
    """Attention as two matrix products in place of torch's fused kernel.

    On a CPU in bf16 and over few tokens that is faster: a whole step takes a third less time.
    """
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False


def init_linear_layers(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for linear layers, as MAE starts."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def build_classifier(
    *,
    image_size: int,
    patch_size: int,
    dim: int,
    depth: int,
    heads: int,
    num_classes: int,
    mlp_ratio: float = 4.0,
    norm_eps: float = 1e-6,
    pre_norm: bool = False,
    activation: str = "gelu",
    drop_path: float = 0.0,
) -> VisionTransformer:
    """A ViT for fine-tuning: mean of the patch tokens, `fc_norm`, linear `head`.

    MAE's recipe (He et al. 2022, appendix A.1): the final norm comes after pooling, so the
    encoder's own `norm` is not used.
    """
    return VisionTransformer(
        img_size=image_size,
        patch_size=patch_size,
        embed_dim=dim,
        depth=depth,
        num_heads=heads,
        mlp_ratio=mlp_ratio,
        qkv_bias=True,
        num_classes=num_classes,
        global_pool="avg",
        norm_layer=partial(nn.LayerNorm, eps=norm_eps),
        pre_norm=pre_norm,
        act_layer=activation,
        drop_path_rate=drop_path,
    )
