"""UniEmoX, the figure of the paper as code.

    scene  ─ mask ─┐            ┌─ all tokens ─ decoder ─ predicted patches ──────────── L3
                   ├─ encoder ──┤─ CLS ─ decoder_embed ─┐
    person ─ mask ─┘            └─ CLS ─ decoder_embed ─┴─ fusion ─ projection ─ student ─ L1, L2

One encoder sees both views; only the scene is reconstructed. The student token is compared with
the frozen CLIP's image feature (L2) and, through its similarities to the batch's texts, with
CLIP's own similarities (L1): see pretrain/losses.

Letters: B rows, C channels, H W pixels, P patch side, L patches, D encoder width, E decoder
width, T teacher width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from pretrain.models.fusion import SceneOnly, build_fusion
from pretrain.models.mae import MaskedAutoencoder, RotaryAutoencoder
from pretrain.models.vit import Masking, mask_by_noise

if TYPE_CHECKING:
    from pretrain.config.settings import ModelConfig


class Encoded(NamedTuple):
    """What the encoder says of one view."""

    latent: Tensor  # (B, 1 + K, D) after the final norm, CLS first
    masking: Masking  # which patches it saw


class Output(NamedTuple):
    """What a forward pass gives to the losses; None where no loss asks for it."""

    student: Tensor | None  # (B, T) fused token in the teacher's space
    pred: Tensor | None  # (B, M, P*P*C) predicted scene patches
    places: Tensor | None  # (B, M) which patches `pred` is of; None = all of them in raster order
    mask: Tensor  # (B, L) 1 = masked, of the scene


class UniEmoX(nn.Module):
    """The whole trained network; the teacher is not part of it."""

    def __init__(self, sizes: ModelConfig, *, teacher_dim: int) -> None:
        super().__init__()
        self.scene_mask_ratio = sizes.scene_mask_ratio
        self.person_mask_ratio = sizes.person_mask_ratio
        self.predicted_share = sizes.predicted_share
        self.mae = build_autoencoder(sizes)
        self.fusion = build_fusion(sizes.fusion, dim=sizes.decoder_dim, heads=sizes.fusion_heads)
        # The paper's fused token has CLIP's width already (512).
        self.projection: nn.Module = nn.Identity()
        if teacher_dim != sizes.decoder_dim:
            self.projection = nn.Linear(sizes.decoder_dim, teacher_dim, bias=False)
        self.wants_student = self.wants_pred = True

    def set_outputs(self, *, student: bool, pred: bool) -> None:
        """Leaves out what no loss asks for: it is not computed, and its weights are frozen."""
        self.wants_student, self.wants_pred = student, pred
        mae = self.mae
        for part in (self.fusion, self.projection):
            part.requires_grad_(student)
        for part in (mae.decoder_blocks, mae.decoder_norm, mae.decoder_pred):
            part.requires_grad_(pred)
        mae.mask_token.requires_grad_(pred)
        mae.decoder_embed.requires_grad_(student or pred)

    def no_weight_decay(self) -> set[str]:
        """Parameters shaped like matrices but added to activations; as timm's models name them."""
        tokens = {"mae.cls_token", "mae.mask_token", "mae.pos_embed", "mae.decoder_pos_embed"}
        rotary = {f"mae.tower.{name}" for name in ("cls_token", "reg_token", "pos_embed")}
        return tokens | rotary | {"fusion.alpha", "fusion.beta", "fusion.bias"}

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """The encoder's layers for timm's layer-wise decay; all that is not named lies above."""
        stem = r"^mae\.(?:tower\.)?(?:cls_token|reg_token|pos_embed|patch_embed|norm_pre)"
        return {"stem": stem, "blocks": r"^mae\.(?:tower\.)?blocks\.(\d+)"}

    def forward(
        self, scene: Tensor, person: Tensor, scene_noise: Tensor, person_noise: Tensor
    ) -> Output:
        """Student token and scene prediction from normalised views (B, C, H, W), noise (B, L)."""
        if not self.wants_student or isinstance(self.fusion, SceneOnly):
            scene_view = self.encode_view(scene, scene_noise, self.scene_mask_ratio)
            person_token = None
        else:
            scene_view, person_view = self.encode_views(scene, person, scene_noise, person_noise)
            person_token = self.view_token(person_view)
        scene_tokens = self.mae.decoder_embed(scene_view.latent)  # (B, 1 + K, E)
        student = pred = places = None
        if self.wants_student:
            fused = self.fusion(scene_tokens[:, 0], person_token)  # (B, E)
            student = self.projection(fused)
        if self.wants_pred:
            pred, places = self.reconstruct(scene_tokens, scene_view.masking)
        return Output(student, pred, places, scene_view.masking.mask)

    def encode_view(self, images: Tensor, noise: Tensor, ratio: float) -> Encoded:
        """One view (B, C, H, W) through the encoder."""
        masking = mask_by_noise(noise, ratio)
        return Encoded(self.mae.encode(images, masking.keep), masking)

    def encode_views(
        self, scene: Tensor, person: Tensor, scene_noise: Tensor, person_noise: Tensor
    ) -> tuple[Encoded, Encoded]:
        """Both views through the one encoder: in one call where they keep as many patches."""
        if self.scene_mask_ratio != self.person_mask_ratio:
            return (
                self.encode_view(scene, scene_noise, self.scene_mask_ratio),
                self.encode_view(person, person_noise, self.person_mask_ratio),
            )
        maskings = [mask_by_noise(n, self.scene_mask_ratio) for n in (scene_noise, person_noise)]
        keep = torch.cat([masking.keep for masking in maskings])  # (2 B, K)
        latents = self.mae.encode(torch.cat([scene, person]), keep).chunk(2)
        return Encoded(latents[0], maskings[0]), Encoded(latents[1], maskings[1])

    def view_token(self, view: Encoded) -> Tensor:
        """(B, E): CLS of a view after the decoder's embedding layer."""
        token: Tensor = self.mae.decoder_embed(view.latent[:, 0])
        return token

    def reconstruct(self, tokens: Tensor, masking: Masking) -> tuple[Tensor, Tensor | None]:
        """Predicted patches of the view with embedded tokens (B, 1 + K, E), and which they are.

        In training a random `predicted_share` of the masked patches (noise is random, so the first
        ones in its order are); all patches, and None, where that is all or in evaluation.
        """
        if self.training and self.predicted_share < 1.0:
            count = max(1, round(self.predicted_share * masking.hidden.shape[1]))
            places = masking.hidden[:, :count]
            return self.mae.decode_places(tokens, masking.keep, places), places
        return self.mae.decode(tokens, masking.restore), None


def build_autoencoder(sizes: ModelConfig) -> MaskedAutoencoder | RotaryAutoencoder:
    """The masked autoencoder of these sizes, with the encoder they name."""
    both = {"dim": sizes.dim, "patch_size": sizes.patch_size}
    encoder = both | {
        "image_size": sizes.image_size,
        "depth": sizes.depth,
        "heads": sizes.heads,
    }
    shape = {"mlp_ratio": sizes.mlp_ratio, "norm_eps": sizes.norm_eps}
    decoder = (
        both
        | shape
        | {
            "decoder_dim": sizes.decoder_dim,
            "decoder_depth": sizes.decoder_depth,
            "decoder_heads": sizes.decoder_heads,
            "decoder": sizes.decoder,
        }
    )
    if sizes.encoder != "vit":
        return RotaryAutoencoder(sizes.encoder, encoder, decoder)
    own = {"pre_norm": sizes.pre_norm, "activation": sizes.activation}
    return MaskedAutoencoder(encoder | shape | own, decoder)


def build_model(sizes: ModelConfig, *, teacher_dim: int, seed: int) -> UniEmoX:
    """UniEmoX with weights that depend on sizes and seed only; the caller's RNG is untouched.

    The autoencoder is made first, so its start does not depend on fusion or teacher.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UniEmoX(sizes, teacher_dim=teacher_dim)
