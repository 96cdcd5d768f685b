"""L1, L2 and L3 of UniEmoX, as a named dict with weights.

Letters: B rows, M texts (of the whole batch over all processes), C channels, H W pixels, P patch
side, L patches, T teacher width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pretrain.config.settings import LossConfig
from pretrain.models.mae import patchify
from pretrain.models.uniemox import Output
from pretrain.models.vit import take_tokens


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What the losses compare a forward pass with."""

    scene: Tensor  # (B, C, H, W) normalised pixels
    image: Tensor  # (B, T) unit features of the teacher
    texts: Tensor  # (M, T) unit text features
    positive: Tensor  # (B, M) true where a text is the row's own
    logit_scale: float  # the teacher's temperature factor


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


def paired_contrastive_loss(
    student: Tensor, texts: Tensor, positive: Tensor, logit_scale: float
) -> Tensor:
    """Paired L1: cross-entropy of a student (B, T) finding its own text among texts (M, T) unit.

    positive (B, M) is true where a text is the row's own; equal texts share the target evenly. The
    image-to-text half of Radford et al. (2021), "Learning Transferable Visual Models": the text
    tower is frozen. Mean (B).
    """
    logits = logit_scale * functional.normalize(student, dim=-1) @ texts.T  # (B, M)
    target = positive.float() / positive.sum(dim=1, keepdim=True)
    return functional.cross_entropy(logits, target.to(logits.dtype))


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
    output: Output, targets: Targets, config: LossConfig, *, patch_size: int
) -> dict[str, Tensor]:
    """{"L1", "L2", "L3"}, those that are on, in float32 from a forward pass."""
    found: dict[str, Tensor] = {}
    if output.student is not None:
        student = output.student.float()
        if config.contrastive_on:
            found["L1"] = _contrastive(student, targets, config.contrastive_kind)
        if config.similarity_on:
            found["L2"] = similarity_loss(student, targets.image)
    if output.pred is not None:
        wanted = reconstruction_target(targets.scene, patch_size, norm_pix=config.norm_pix)
        mask = output.mask.float()
        if output.places is not None:  # only these patches were predicted, and all are masked
            wanted = take_tokens(wanted, output.places)
            mask = mask.gather(1, output.places)
        found["L3"] = reconstruction_loss(output.pred.float(), wanted, mask)
    return found


def _contrastive(student: Tensor, targets: Targets, kind: str) -> Tensor:
    if kind == "paired":
        return paired_contrastive_loss(
            student, targets.texts, targets.positive, targets.logit_scale
        )
    return contrastive_loss(student, targets.image, targets.texts, targets.logit_scale)


def total_loss(losses: dict[str, Tensor], config: LossConfig) -> Tensor:
    """The weighted sum that is minimised."""
    return torch.stack([config.weights[name] * value for name, value in losses.items()]).sum()
