"""What a loss is, and what it may look at.

Letters: B rows, M texts (of the whole batch over all processes), C channels, H W pixels, T teacher
width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from pretrain.config.settings import LossConfig
from pretrain.models.uniemox import Output

OUTPUTS = frozenset({"student", "pred"})  # of a forward pass, computed only where a loss needs them
RESERVED = ("total", "grad_norm")  # names of other numbers of a step


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What the losses compare a forward pass with."""

    scene: Tensor  # (B, C, H, W) normalised pixels
    image: Tensor  # (B, T) unit features of the teacher
    texts: Tensor  # (M, T) unit text features
    positive: Tensor  # (B, M) true where a text is the row's own
    logit_scale: float  # the teacher's temperature factor


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One loss: the variable LOSS of a file in this folder. Nothing else has to know of it.

    What the model computes, the lines of metrics.jsonl, the curves of `uniemox plot` and the
    operations that MFU counts follow from it.
    """

    name: str  # in logs, plots and settings
    needs: frozenset[str]  # of OUTPUTS: those that `compute` reads
    # a number (mean over rows) from the outputs, the targets, the settings and the patch side
    compute: Callable[[Output, Targets, LossConfig, int], Tensor]
    weight: float = 1.0  # in the total, where a run's settings name none

    def __post_init__(self) -> None:
        if unknown := sorted(self.needs - OUTPUTS):
            raise ValueError(
                f"loss {self.name!r} needs {unknown[0]!r}: choose of {', '.join(sorted(OUTPUTS))}"
            )
        if self.name in RESERVED or not self.name.isidentifier():
            raise ValueError(f"loss name {self.name!r}: letters, digits and _, not {RESERVED}")
        if not self.weight >= 0:
            raise ValueError(f"loss {self.name!r}: weight {self.weight} must not be negative")
