"""L2: the student's cosine to the teacher's image feature.

Letters: B rows, T teacher width.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from pretrain.config.settings import LossConfig
from pretrain.losses.base import Loss, Targets
from pretrain.models.uniemox import Output


def similarity_loss(student: Tensor, teacher_image: Tensor) -> Tensor:
    """L2: 1 - cosine between student (B, T) and CLIP's image feature (B, T), mean (B)."""
    return 1.0 - functional.cosine_similarity(student, teacher_image, dim=-1).mean()


def _compute(output: Output, targets: Targets, config: LossConfig, patch_size: int) -> Tensor:
    assert output.student is not None
    return similarity_loss(output.student.float(), targets.image)


LOSS = Loss(name="L2", needs=frozenset({"student"}), compute=_compute)
