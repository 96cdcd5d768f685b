"""L3: the masked patches of the scene.

Letters: B rows, C channels, H W pixels, P patch side, L patches.
"""

from __future__ import annotations

from torch import Tensor

from pretrain.config.settings import LossConfig
from pretrain.losses.base import Loss, Targets
from pretrain.models.mae import patchify
from pretrain.models.uniemox import Output
from pretrain.models.vit import take_tokens


def reconstruction_target(images: Tensor, patch_size: int, *, norm_pix: bool) -> Tensor:
    """(B, L, P*P*C) pixels of each patch of images (B, C, H, W), normalised per patch if asked.

    Normalised pixels: He et al. (2022), sec. 3, with unbiased variance plus 1e-6.
    """
    target = patchify(images, patch_size)
    if not norm_pix:
        return target
    mean = target.mean(dim=-1, keepdim=True)
    variance = target.var(dim=-1, keepdim=True)
    return (target - mean) / (variance + 1e-6).sqrt()


def reconstruction_loss(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """L3: mean squared error over masked patches; pred, target (B, L, P*P*C), mask (B, L)."""
    per_patch = (pred - target).square().mean(dim=-1)  # (B, L)
    return (per_patch * mask).sum() / mask.sum()


def _compute(output: Output, targets: Targets, config: LossConfig, patch_size: int) -> Tensor:
    assert output.pred is not None
    wanted = reconstruction_target(targets.scene, patch_size, norm_pix=config.norm_pix)
    mask = output.mask.float()
    if output.places is not None:  # only these patches were predicted, and all are masked
        wanted = take_tokens(wanted, output.places)
        mask = mask.gather(1, output.places)
    return reconstruction_loss(output.pred.float(), wanted, mask)


LOSS = Loss(name="L3", needs=frozenset({"pred"}), compute=_compute)
