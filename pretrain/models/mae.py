"""The masked autoencoder: an encoder plus a small decoder that predicts every patch.

He et al. (2022), "Masked Autoencoders Are Scalable Vision Learners". Written from the paper; key
names are those of its public checkpoints.

Letters: B images, C channels, P patch side, L patches, K kept patches, M predicted patches, D
encoder width, E decoder width.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from pretrain.models.cross import CrossDecoder
from pretrain.models.rotary import RotaryViT
from pretrain.models.vit import MaskedViT, init_linear_layers, sincos_positions, take_tokens


class Decoding(nn.Module):
    """Decoder of all patches from the tokens of visible ones; beside an encoder in one module."""

    def make_decoder(
        self,
        *,
        dim: int,
        grid: int,
        patch_size: int,
        decoder_dim: int,
        decoder_depth: int,
        decoder_heads: int,
        decoder: str,
        mlp_ratio: float,
        norm_eps: float,
    ) -> None:
        """Adds the decoder's parts after the encoder's, so that these start the same without it."""
        norm = partial(nn.LayerNorm, eps=norm_eps)
        self.decoder_embed = nn.Linear(dim, decoder_dim)
        self.mask_token = nn.Parameter(torch.empty(1, 1, decoder_dim))
        positions = sincos_positions(decoder_dim, grid)
        self.decoder_pos_embed = nn.Parameter(positions, requires_grad=False)
        self.decoder_blocks: SelfDecoder | CrossDecoder
        if decoder == "cross":
            self.decoder_blocks = CrossDecoder(
                decoder_dim, decoder_depth, decoder_heads, mlp_ratio, norm_eps
            )
        else:
            self.decoder_blocks = SelfDecoder(
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
        shuffle = torch.argsort(restore, dim=1)  # kept patches, then masked ones
        keep, hidden = shuffle.split(
            [tokens.shape[1] - 1, restore.shape[1] + 1 - tokens.shape[1]], 1
        )
        if isinstance(self.decoder_blocks, CrossDecoder):
            everywhere = torch.arange(restore.shape[1], device=restore.device).expand_as(restore)
            return self.decode_places(tokens, keep, everywhere)
        patches = self._self_attend(tokens, keep, hidden)[:, 1:]  # (B, L, E), kept first
        predicted: Tensor = self.decoder_pred(take_tokens(patches, restore))
        return predicted

    def decode_places(self, tokens: Tensor, keep: Tensor, places: Tensor) -> Tensor:
        """(B, M, P*P*C) predicted pixels of the patches at places (B, M) only.

        With the "cross" decoder a patch's prediction does not depend on which others are predicted:
        mask tokens see visible tokens and nothing else. With "self" it does, slightly.
        """
        if isinstance(self.decoder_blocks, CrossDecoder):
            memory = self._placed(tokens, keep)
            queries = self.decoder_blocks(self._mask_tokens(tokens, places), memory)
            decoded = self.decoder_norm(queries)
        else:
            decoded = self._self_attend(tokens, keep, places)[:, -places.shape[1] :]
        predicted: Tensor = self.decoder_pred(decoded)
        return predicted

    def _self_attend(self, tokens: Tensor, keep: Tensor, places: Tensor) -> Tensor:
        """(B, 1 + K + M, E): CLS, visible and mask tokens after the decoder's blocks and norm."""
        whole = torch.cat([self._placed(tokens, keep), self._mask_tokens(tokens, places)], dim=1)
        decoded: Tensor = self.decoder_norm(self.decoder_blocks(whole))
        return decoded

    def _placed(self, tokens: Tensor, keep: Tensor) -> Tensor:
        """(B, 1 + K, E): CLS and visible tokens with their positions."""
        positions = self.decoder_pos_embed.expand(len(tokens), -1, -1)
        visible = take_tokens(positions[:, 1:], keep)
        return tokens + torch.cat([positions[:, :1], visible], dim=1)

    def _mask_tokens(self, tokens: Tensor, places: Tensor) -> Tensor:
        """(B, M, E): the mask token at each of the places."""
        positions = self.decoder_pos_embed[:, 1:].expand(len(tokens), -1, -1)
        return self.mask_token.to(tokens.dtype) + take_tokens(positions, places)


class MaskedAutoencoder(Decoding, MaskedViT):
    """MAE's encoder, with fixed positions, and decoder."""

    def __init__(self, encoder: dict[str, Any], decoder: dict[str, Any]) -> None:
        MaskedViT.__init__(self, **encoder)
        self.make_decoder(grid=self.grid, **decoder)


class RotaryAutoencoder(Decoding, RotaryViT):
    """An encoder with rotary positions, and MAE's decoder."""

    def __init__(self, name: str, encoder: dict[str, Any], decoder: dict[str, Any]) -> None:
        RotaryViT.__init__(self, name, **encoder)
        self.make_decoder(grid=self.grid, **decoder)


class SelfDecoder(nn.Sequential):
    """MAE's decoder blocks: every token attends to every token."""


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
