"""Attentive probe: one learnt query attends to the frozen tokens, a linear layer reads it.

The attentive probing of Chen et al. (2024), "Context autoencoder for self-supervised
representation learning", IJCV, section 4: cross-attention with a learnt query, then a linear
classifier; timm's `AttentionPoolLatent` without its MLP. AdamW with a cosine; the learning rate is
searched on one inner fold (or on the rows a dataset sets aside). Threads: few, see base.py.

Shapes: N rows, T tokens, D width, K outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.features import tokens as tokens_
from benchmarks.problem.folds import Index
from benchmarks.protocols.base import Prediction, Prob, Problem, inner_folds, require_positive
from benchmarks.protocols.training import Goal, batches, rate_at, right, without_unlearnt

LEARNS = True


@dataclass(frozen=True, kw_only=True)
class Settings:
    lr: tuple[float, ...] = (3e-4, 1e-3, 3e-3)  # candidates; of equals the smaller one
    epochs: int = 20
    batch_size: int = 64
    weight_decay: float = 0.05
    warmup_share: float = 0.1  # of all steps
    heads: int = 4  # of the attention; fewer where the width is not a multiple
    inner_folds: int = 5  # one of them is looked at

    def __post_init__(self) -> None:
        require_positive(self, or_zero=("weight_decay", "warmup_share"))


def predict(problem: Problem, settings: Settings) -> Prediction:
    """Answers of the probe with the searched learning rate, trained on all training rows."""
    assert problem.pictures is not None
    tokens = tokens_.extract(problem.backbone, problem.pictures)
    rates = sorted(settings.lr)
    lr, notes = rates[len(rates) // 2], ()
    pairs = inner_folds(problem, settings.inner_folds)[:1] if len(rates) > 1 else []
    if pairs:
        learn, choose = pairs[0]
        found = [
            right(problem, choose, _answers(problem, tokens, learn, choose, rate, settings))
            for rate in rates
        ]
        lr = rates[int(np.argmax(found))]
    said = _answers(problem, tokens, problem.train, problem.test, lr, settings)
    return Prediction(prob=said[None], chosen={"lr": lr}, notes=notes)


def _answers(
    problem: Problem, tokens: tokens_.Tokens, train: Index, asked: Index, lr: float, s: Settings
) -> Prob:
    goal = Goal.of(problem, train)
    rng = np.random.default_rng([problem.seed, 7])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(problem.seed)
        probe = Probe(tokens.shape[2], goal.wanted.shape[1], s.heads).to(device)
    optimizer = torch.optim.AdamW(probe.parameters(), lr=lr, weight_decay=s.weight_decay)
    steps = s.epochs * len(batches(train, s.batch_size, np.random.default_rng(0)))
    step = 0
    for _ in range(s.epochs):
        for rows in batches(train, s.batch_size, rng):
            rate = rate_at(step, steps, max(1, round(s.warmup_share * steps)), lr)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = goal.loss(probe(_take(tokens, rows, device)), goal.wanted[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
    probe.eval()
    with torch.inference_mode():
        cut = [asked[i : i + 256] for i in range(0, len(asked), 256)]
        outputs = torch.cat([probe(_take(tokens, rows, device)) for rows in cut])
    return without_unlearnt(problem, train, goal.answers(outputs))


def _take(tokens: tokens_.Tokens, rows: Index, device: str) -> Tensor:
    """(B, T, D) float32; rows are read in the order they lie on the disk."""
    order = np.argsort(rows)
    found = np.empty((len(rows), *tokens.shape[1:]), np.float32)
    found[order] = tokens[rows[order]]
    return torch.from_numpy(found).to(device)


class Probe(nn.Module):
    """LayerNorm without weights, attention pooling by one query, linear."""

    def __init__(self, dim: int, outputs: int, heads: int) -> None:
        super().__init__()
        from timm.layers import AttentionPoolLatent

        while dim % heads:
            heads -= 1
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.pool: Any = AttentionPoolLatent(dim, num_heads=heads)
        self.pool.mlp = nn.Identity()
        self.head = nn.Linear(dim, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        pooled: Tensor = self.pool(self.norm(tokens))  # (B, D)
        found: Tensor = self.head(pooled)
        return found
