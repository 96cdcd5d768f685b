"""What the trained protocols share: losses by task, outputs as answers, schedule, soft targets.

Shapes: B rows, K outputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.problem.folds import Index
from benchmarks.protocols.base import Prob, Problem


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a network of K outputs is trained towards, and how its outputs are read."""

    task: str
    wanted: Tensor  # (N, K) float32, of all rows; scales standardised on the training rows
    centre: Tensor  # (K,) subtracted from scales
    spread: Tensor  # (K,) scales are divided by it

    @classmethod
    def of(cls, problem: Problem, train: Index) -> Goal:
        """The goal of a problem; test rows never enter centre and spread."""
        wanted = torch.from_numpy(problem.wanted).float()
        outputs = wanted.shape[1]
        centre, spread = torch.zeros(outputs), torch.ones(outputs)
        if problem.task == "regression":
            rows = wanted[torch.from_numpy(train)]
            centre, spread = rows.mean(dim=0), rows.std(dim=0).clamp_min(1e-6)
        return cls(task=problem.task, wanted=(wanted - centre) / spread, centre=centre,
                   spread=spread)  # fmt: skip

    def loss(self, outputs: Tensor, wanted: Tensor, weight: Tensor | None = None) -> Tensor:
        """Mean loss of outputs (B, K): cross-entropy of shares, of each label, or squares."""
        wanted = wanted.to(outputs.device)
        if self.task == "multi_label":
            return functional.binary_cross_entropy_with_logits(outputs, wanted)
        if self.task == "regression":
            return functional.mse_loss(outputs, wanted)
        return -(wanted * functional.log_softmax(outputs.float(), dim=1)).sum(dim=1).mean()

    def answers(self, outputs: Tensor) -> Prob:
        """(B, K) probabilities, or numbers on the dataset's own scales."""
        outputs = outputs.float().cpu()
        if self.task == "multi_label":
            found = outputs.sigmoid()
        elif self.task == "regression":
            found = outputs * self.spread + self.centre
        else:
            found = outputs.softmax(dim=1)
        return found.double().numpy()

    @property
    def mixes(self) -> bool:
        """Whether targets may be mixed and smoothed: they are shares."""
        return self.task not in ("multi_label", "regression")


def right(problem: Problem, rows: Index, said: Prob) -> float:
    """How good answers (B, K) for `rows` are by the task's main metric; more is better."""
    from benchmarks.protocols.regression import goodness

    if problem.values is not None or not np.isfinite(said).all():
        return goodness(problem, rows, said)
    return float((said.argmax(axis=1) == problem.target[rows]).mean())


def without_unlearnt(problem: Problem, train: Index, said: Prob) -> Prob:
    """Answers in which labels without training rows have probability zero."""
    if problem.values is not None:
        return said
    learnt = np.zeros(said.shape[1], dtype=bool)
    learnt[np.unique(problem.target[train])] = True
    said = np.where(learnt, said, 0)
    found: Prob = said / np.maximum(said.sum(axis=1, keepdims=True), 1e-12)
    return found


def rate_at(step: int, steps: int, warmup: int, top: float, bottom: float = 0.0) -> float:
    """Learning rate of a step (from 0): linear warm-up, then a cosine to `bottom`."""
    if step < warmup:
        return top * (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    return bottom + (top - bottom) * (1 + math.cos(math.pi * share)) / 2


def batches(rows: Index, size: int, rng: np.random.Generator) -> list[Index]:
    """The rows in random order, cut into batches; a last one of a single row joins the one before.

    Batches are of even length where they can be, which mixup needs.
    """
    order = rng.permutation(rows)
    cut = [order[start : start + size] for start in range(0, len(order), size)]
    if len(cut) > 1 and len(cut[-1]) == 1:
        last = cut.pop()
        cut[-1] = np.concatenate([cut[-1], last])
    return cut
