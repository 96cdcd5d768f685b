"""L1, L2 and L3 of UniEmoX, as a named dict with weights.

Letters: B rows, M texts (of the whole batch over all processes), C channels, H W pixels, P patch
side, L patches, T teacher width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pretrain.config import LossConfig
from pretrain.models.mae import patchify
from pretrain.models.uniemox import Output


def contrastive_loss(
    student: Tensor, teacher_image: Tensor, texts: Tensor, logit_scale: float
) -> Tensor:
    """L1: 1 - cosine between the student's and CLIP's row of similarities to all texts, mean (B).

    student (B, T), teacher_image (B, T) unit, texts (M, T) unit. The pairing of rows and texts
    does not enter: shuffling texts permutes both rows alike. A row of one similarity has no
    direction to compare, so with one text the loss is zero.
    """
    student = functional.normalize(student, dim=-1)
    if len(texts) == 1:
        return student.sum() * 0.0
    student_logits = logit_scale * student @ texts.T  # (B, M)
    teacher_logits = logit_scale * teacher_image @ texts.T  # (B, M)
    return 1.0 - functional.cosine_similarity(student_logits, teacher_logits, dim=-1).mean()


def similarity_loss(student: Tensor, teacher_image: Tensor) -> Tensor:
    """L2: 1 - cosine between student (B, T) and CLIP's image feature (B, T), mean (B)."""
    return 1.0 - functional.cosine_similarity(student, teacher_image, dim=-1).mean()


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


def all_losses(
    output: Output,
    *,
    scene: Tensor,
    patch_size: int,
    teacher_image: Tensor,
    texts: Tensor,
    logit_scale: float,
    norm_pix: bool,
) -> dict[str, Tensor]:
    """{"L1", "L2", "L3"} in float32 from a forward pass on normalised scenes (B, C, H, W)."""
    student = output.student.float()
    target = reconstruction_target(scene, patch_size, norm_pix=norm_pix)
    return {
        "L1": contrastive_loss(student, teacher_image, texts, logit_scale),
        "L2": similarity_loss(student, teacher_image),
        "L3": reconstruction_loss(output.pred.float(), target, output.mask.float()),
    }


def total_loss(losses: dict[str, Tensor], config: LossConfig) -> Tensor:
    """The weighted sum that is minimised."""
    weights = {"L1": config.contrastive, "L2": config.similarity, "L3": config.reconstruction}
    return torch.stack([weights[name] * losses[name] for name in weights]).sum()
