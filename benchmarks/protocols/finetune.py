"""Full fine-tuning: every weight of the model learns, with timm's augmentations.

Named recipes (`--set recipe=NAME`):

- `uniemox`: the defaults of `main_finetune.py` in the authors' public code (github.com/chincharles/
  u-emo): AdamW, base rate 1e-3 per 256 rows, weight decay 0.05, RandAugment m9, random erasing
  0.25, mixup 0.8, cutmix 1.0, smoothing 0.1, drop path 0.2, 5 warm-up epochs, 100 epochs of batch
  16 per GPU. It names a layer decay of 0.75 and does not use it; neither do we. It keeps the epoch
  that is best on validation; we keep the last.
- `mae`: He et al. (2022), "Masked autoencoders are scalable vision learners", table 9, for ViT-B:
  the same augmentations, layer decay 0.65, drop path 0.1, batch 1024, betas 0.9 and 0.999.
- `small`: for hundreds of pictures on a CPU: as `mae` with fewer epochs, small batches and EMA.

Each value can be set on its own. Of the view "both", the mean of both views' outputs answers.

Shapes: B rows, C channels, S pixels per side, K outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.problem.folds import Index
from benchmarks.protocols import finetune_parts
from benchmarks.protocols.base import Prediction, Prob, Problem
from benchmarks.protocols.training import Goal, batches, rate_at, without_unlearnt
from emo8.core.errors import Emo8Error

LEARNS = True


@dataclass(frozen=True, kw_only=True)
class Settings:
    recipe: str = "small"  # small, mae or uniemox: what fields below with -1 take
    epochs: int = -1
    batch_size: int = -1
    base_lr: float = -1.0  # per 256 rows of a batch
    weight_decay: float = 0.05
    warmup_epochs: float = -1.0
    layer_decay: float = -1.0  # rate of a block over that of the block above; 1 = the same for all
    drop_path: float = -1.0
    mixup: float = 0.8  # 0 = off; also off where targets are several labels or scales
    cutmix: float = 1.0
    smoothing: float = 0.1
    # timm's name; "" = off. mmax9: at 10 its posterize asks Pillow for 0 bits, which is an error
    auto_augment: str = "rand-m9-mstd0.5-mmax9-inc1"
    erase_prob: float = 0.25
    crop_scale: float = 0.2  # least area of a training crop over the picture's
    ema: float = -1.0  # decay of the averaged weights that answer; 0 = off
    crop_pct: float = 1.0  # side of the tested middle crop over the resized shorter side

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise ValueError(f"recipe={self.recipe}: choose one of {', '.join(RECIPES)}")
        if self.epochs == 0 or self.batch_size in (0, 1):
            raise ValueError("epochs must be at least 1 and batch_size at least 2")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high and not (value == -1 and name in RECIPES[self.recipe]):
                raise ValueError(f"{name}={value}: must be from {low:g} to {high:g}")

    def resolved(self) -> Settings:
        """The settings with the recipe's values in place of -1."""
        values = RECIPES[self.recipe]
        return replace(self, **{n: v for n, v in values.items() if getattr(self, n) == -1})


RECIPES: dict[str, dict[str, Any]] = {
    "small": {
        "epochs": 30, "batch_size": 32, "base_lr": 2e-3, "warmup_epochs": 3.0,
        "layer_decay": 0.75, "drop_path": 0.1, "ema": 0.99,
    },
    "mae": {
        "epochs": 100, "batch_size": 1024, "base_lr": 5e-4, "warmup_epochs": 5.0,
        "layer_decay": 0.65, "drop_path": 0.1, "ema": 0.0,
    },
    "uniemox": {
        "epochs": 100, "batch_size": 16, "base_lr": 1e-3, "warmup_epochs": 5.0,
        "layer_decay": 1.0, "drop_path": 0.2, "ema": 0.0,
    },
}  # fmt: skip


RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 1e6), "batch_size": (2, 1e6), "base_lr": (1e-12, 1e3), "weight_decay": (0, 1e3),
    "warmup_epochs": (0, 1e6), "layer_decay": (1e-3, 1), "drop_path": (0, 0.999), "mixup": (0, 1e3),
    "cutmix": (0, 1e3), "smoothing": (0, 0.999), "erase_prob": (0, 1), "crop_scale": (1e-3, 1),
    "ema": (0, 0.9999999), "crop_pct": (1e-3, 1),
}  # fmt: skip


def predict(problem: Problem, settings: Settings) -> Prediction:
    """Answers of the model after training on the training rows; validation rows are not used."""
    s = settings.resolved()
    goal = Goal.of(problem, problem.train)
    outputs = goal.wanted.shape[1]
    model = finetune_parts.build(
        problem.backbone.name, problem.emotions, outputs, drop_path=s.drop_path, seed=problem.seed
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.network.to(device)
    store = finetune_parts.Store(problem, model.image_size)
    network = _train(problem, s, goal, model, store, device)
    if problem.save is not None:
        finetune_parts.save(problem, model, network, s.crop_pct)
    said = _answers(problem, s, goal, model, network, store, device)
    chosen = {"recipe": s.recipe, "epochs": s.epochs, "base_lr": s.base_lr}
    return Prediction(
        prob=without_unlearnt(problem, problem.train, said)[None], chosen=chosen, notes=model.notes
    )


def _train(
    problem: Problem,
    s: Settings,
    goal: Goal,
    model: finetune_parts.Model,
    store: finetune_parts.Store,
    device: str,
) -> nn.Module:
    """The trained network, or its moving average where asked."""
    from timm.utils import ModelEmaV3

    rng = np.random.default_rng([problem.seed, 11])
    augment = finetune_parts.augmentation(model, s)
    mix = finetune_parts.mixing(s, goal.wanted.shape[1]) if goal.mixes else None
    with torch.random.fork_rng(devices=[]), finetune_parts.seeded(problem.seed):
        optimizer = finetune_parts.optimizer(model, s)
        network = model.network.train()
        average = ModelEmaV3(network, decay=s.ema, use_warmup=True) if s.ema else None
        per_epoch = len(batches(problem.train, s.batch_size, np.random.default_rng(0)))
        steps, step = s.epochs * per_epoch, 0
        top = s.base_lr * min(s.batch_size, len(problem.train)) / 256
        for _ in range(s.epochs):
            for rows in batches(problem.train, s.batch_size, rng):
                rate = rate_at(step, steps, max(1, round(s.warmup_epochs * per_epoch)), top, 1e-6)
                for group in optimizer.param_groups:
                    group["lr"] = rate * group.get("lr_scale", 1.0)
                for view in store.views:
                    pixels = store.batch(rows, view, augment).to(device)
                    _step(network, optimizer, goal, mix, pixels, goal.wanted[rows])
                if average is not None:
                    average.update(network, step=step)
                step += 1
                if problem.pictures is not None and problem.pictures.progress:
                    problem.pictures.progress(f"finetune {problem.backbone.name}", step, steps)
    return average.module if average is not None else network


def _step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    goal: Goal,
    mix: Any,
    pixels: Tensor,
    wanted: Tensor,
) -> None:
    if mix is not None:
        pixels, wanted = mix(pixels, wanted.to(pixels.device))
    loss = goal.loss(network(pixels), wanted)
    if not torch.isfinite(loss):
        raise Emo8Error("finetune: the loss is not a number; lower --set base_lr=…")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


@torch.inference_mode()
def _answers(
    problem: Problem,
    s: Settings,
    goal: Goal,
    model: finetune_parts.Model,
    network: nn.Module,
    store: finetune_parts.Store,
    device: str,
) -> Prob:
    plain = finetune_parts.evaluation(model, s)
    network.eval()
    test: Index = problem.test
    total: Prob = np.zeros((len(test), goal.wanted.shape[1]))
    for view in store.views:
        cut = [test[i : i + 64] for i in range(0, len(test), 64)]
        outputs = [network(store.batch(rows, view, plain).to(device)) for rows in cut]
        total += goal.answers(torch.cat(outputs))
    return total / len(store.views)
