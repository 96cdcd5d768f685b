"""The masked autoencoder: MaskedViT plus a small decoder that predicts every patch.

He et al. (2022), "Masked Autoencoders Are Scalable Vision Learners". Written from the paper; key
names are those of its public checkpoints.

Letters: B images, C channels, P patch side, L patches, K kept patches, D encoder width, E decoder
width.
"""

from __future__ import annotations

from functools import partial

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from pretrain.models.vit import MaskedViT, init_linear_layers, sincos_positions, take_tokens


class MaskedAutoencoder(MaskedViT):
    """Encoder of visible patches and decoder of all patches."""

    def __init__(
        self,
        *,
        image_size: int,
        patch_size: int,
        dim: int,
        depth: int,
        heads: int,
        decoder_dim: int,
        decoder_depth: int,
        decoder_heads: int,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__(
            image_size=image_size,
            patch_size=patch_size,
            dim=dim,
            depth=depth,
            heads=heads,
            mlp_ratio=mlp_ratio,
            norm_eps=norm_eps,
        )
        norm = partial(nn.LayerNorm, eps=norm_eps)
        self.decoder_embed = nn.Linear(dim, decoder_dim)
        self.mask_token = nn.Parameter(torch.empty(1, 1, decoder_dim))
        positions = sincos_positions(decoder_dim, self.grid)
        self.decoder_pos_embed = nn.Parameter(positions, requires_grad=False)
        self.decoder_blocks = nn.Sequential(
            *(
                Block(decoder_dim, decoder_heads, mlp_ratio, qkv_bias=True, norm_layer=norm)  # type: ignore[arg-type]
                for _ in range(decoder_depth)
            )
        )
        self.decoder_norm = norm(decoder_dim)
        self.decoder_pred = nn.Linear(decoder_dim, patch_size**2 * 3)
        nn.init.normal_(self.mask_token, std=0.02)
        for part in (self.decoder_embed, self.decoder_blocks, self.decoder_pred):
            init_linear_layers(part)

    def decode(self, tokens: Tensor, restore: Tensor) -> Tensor:
        """(B, L, P*P*C) predicted pixels of every patch.

        `tokens` (B, 1 + K, E) come from `decoder_embed`; restore (B, L) from the masking.
        """
        batch, num_patches = restore.shape
        cls, visible = tokens[:, :1], tokens[:, 1:]
        num_masked = num_patches - visible.shape[1]
        masked = self.mask_token.to(tokens.dtype).expand(batch, num_masked, -1)
        patches = take_tokens(torch.cat([visible, masked], dim=1), restore)  # (B, L, E)
        whole = torch.cat([cls, patches], dim=1) + self.decoder_pos_embed
        decoded = self.decoder_norm(self.decoder_blocks(whole))
        predicted: Tensor = self.decoder_pred(decoded[:, 1:])
        return predicted


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """(B, L, P*P*C) pixels of each patch, ordered (row, column, channel): what L3 compares with."""
    batch, channels, height, width = images.shape
    rows, columns = height // patch_size, width // patch_size
    split = images.reshape(batch, channels, rows, patch_size, columns, patch_size)
    return split.permute(0, 2, 4, 3, 5, 1).reshape(batch, rows * columns, -1)


def unpatchify(patches: Tensor, patch_size: int) -> Tensor:
    """(B, C, H, W) square images from patches (B, L, P*P*C); the inverse of `patchify`."""
    batch, num_patches, _ = patches.shape
    side = round(num_patches**0.5)
    split = patches.reshape(batch, side, side, patch_size, patch_size, -1)
    return split.permute(0, 5, 1, 3, 2, 4).reshape(batch, -1, side * patch_size, side * patch_size)
