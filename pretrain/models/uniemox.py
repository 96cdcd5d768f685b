"""UniEmoX, the figure of the paper as code.

    scene  ─ mask ─┐            ┌─ all tokens ─ decoder ─ predicted patches ──────────── L3
                   ├─ encoder ──┤─ CLS ─ decoder_embed ─┐
    person ─ mask ─┘            └─ CLS ─ decoder_embed ─┴─ fusion ─ projection ─ student ─ L1, L2

One encoder sees both views; only the scene is reconstructed. The student token is compared with
the frozen CLIP's image feature (L2) and, through its similarities to the batch's texts, with
CLIP's own similarities (L1): see pretrain/losses.py.

Letters: B rows, C channels, H W pixels, P patch side, L patches, D encoder width, E decoder
width, T teacher width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from pretrain.models.fusion import build_fusion
from pretrain.models.mae import MaskedAutoencoder
from pretrain.models.vit import mask_by_noise

if TYPE_CHECKING:
    from pretrain.config import ModelConfig


class Encoded(NamedTuple):
    """What the encoder says of one view."""

    latent: Tensor  # (B, 1 + K, D) after the final norm, CLS first
    mask: Tensor  # (B, L) 1 = masked
    restore: Tensor  # (B, L) kept-then-masked order back to raster order


class Output(NamedTuple):
    """What a forward pass gives to the losses."""

    student: Tensor  # (B, T) fused token in the teacher's space
    pred: Tensor  # (B, L, P*P*C) predicted scene patches
    mask: Tensor  # (B, L) 1 = masked, of the scene


class UniEmoX(nn.Module):
    """The whole trained network; the teacher is not part of it."""

    def __init__(self, sizes: ModelConfig, *, teacher_dim: int) -> None:
        super().__init__()
        self.scene_mask_ratio = sizes.scene_mask_ratio
        self.person_mask_ratio = sizes.person_mask_ratio
        self.mae = build_autoencoder(sizes)
        self.fusion = build_fusion(sizes.fusion, dim=sizes.decoder_dim, heads=sizes.fusion_heads)
        # The paper's fused token has CLIP's width already (512).
        self.projection: nn.Module = nn.Identity()
        if teacher_dim != sizes.decoder_dim:
            self.projection = nn.Linear(sizes.decoder_dim, teacher_dim, bias=False)

    def forward(
        self, scene: Tensor, person: Tensor, scene_noise: Tensor, person_noise: Tensor
    ) -> Output:
        """Student token and scene prediction from normalised views (B, C, H, W), noise (B, L)."""
        scene_view, person_view = self.encode_views(scene, person, scene_noise, person_noise)
        scene_tokens = self.mae.decoder_embed(scene_view.latent)  # (B, 1 + K, E)
        person_token = self.view_token(person_view)
        fused = self.fusion(scene_tokens[:, 0], person_token)  # (B, E)
        pred = self.mae.decode(scene_tokens, scene_view.restore)
        return Output(self.projection(fused), pred, scene_view.mask)

    def encode_views(
        self, scene: Tensor, person: Tensor, scene_noise: Tensor, person_noise: Tensor
    ) -> tuple[Encoded, Encoded]:
        """Both views through the one encoder: in one call where they keep as many patches."""
        scene_masking = mask_by_noise(scene_noise, self.scene_mask_ratio)
        person_masking = mask_by_noise(person_noise, self.person_mask_ratio)
        if scene_masking.keep.shape == person_masking.keep.shape:
            both = torch.cat([scene_masking.keep, person_masking.keep])
            latents = self.mae.encode(torch.cat([scene, person]), both).chunk(2)
        else:
            latents = (
                self.mae.encode(scene, scene_masking.keep),
                self.mae.encode(person, person_masking.keep),
            )
        return (
            Encoded(latents[0], scene_masking.mask, scene_masking.restore),
            Encoded(latents[1], person_masking.mask, person_masking.restore),
        )

    def view_token(self, view: Encoded) -> Tensor:
        """(B, E): CLS of a view after the decoder's embedding layer."""
        token: Tensor = self.mae.decoder_embed(view.latent[:, 0])
        return token


def build_autoencoder(sizes: ModelConfig) -> MaskedAutoencoder:
    """The masked autoencoder of these sizes."""
    return MaskedAutoencoder(
        image_size=sizes.image_size,
        patch_size=sizes.patch_size,
        dim=sizes.dim,
        depth=sizes.depth,
        heads=sizes.heads,
        decoder_dim=sizes.decoder_dim,
        decoder_depth=sizes.decoder_depth,
        decoder_heads=sizes.decoder_heads,
        mlp_ratio=sizes.mlp_ratio,
        norm_eps=sizes.norm_eps,
    )


def build_model(sizes: ModelConfig, *, teacher_dim: int, seed: int) -> UniEmoX:
    """UniEmoX with weights that depend on sizes and seed only; the caller's RNG is untouched.

    The autoencoder is made first, so its start does not depend on fusion or teacher.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UniEmoX(sizes, teacher_dim=teacher_dim)
