"""L1: the student's similarities to all texts of the batch.

Letters: B rows, M texts (of the whole batch over all processes), T teacher width.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from pretrain.config.settings import LossConfig
from pretrain.losses.base import Loss, Targets
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


def _compute(output: Output, targets: Targets, config: LossConfig, patch_size: int) -> Tensor:
    assert output.student is not None
    student = output.student.float()
    if config.contrastive_kind == "paired":
        return paired_contrastive_loss(
            student, targets.texts, targets.positive, targets.logit_scale
        )
    return contrastive_loss(student, targets.image, targets.texts, targets.logit_scale)


LOSS = Loss(name="L1", needs=frozenset({"student"}), compute=_compute)
