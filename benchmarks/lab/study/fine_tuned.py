"""Fine-tuned: the whole encoder learns a question, from a run and from the untrained network.

See "Added on 29 November" in learning.md. The same settings for both; nothing is searched.

Letters: N pictures, C channels, S pixels per side of a view.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor
from torch.nn import functional

from benchmarks.lab.study import transfer
from benchmarks.lab.study.arms import RECIPE
from benchmarks.lab.study.transfer import Names
from pretrain.config import recipes
from pretrain.data.cache import MemorySource
from pretrain.views.cut import centre_box, cut, normalise, random_box
from pretrain.weights import classifier

STEPS = {20: 60, 200: 150, 10**6: 150}  # by labels for each class
BATCH = 32
RATE, WARMUP, DECAY = 5e-4, 20, 0.05  # AdamW; then a half cosine to nothing
SCALE = (0.4, 1.0)  # area of a training crop over the picture's
VIEWS = recipes.get(RECIPE).views


def answers(
    run: Path, caches: dict[str, Path], opened: dict[str, MemorySource], seed: int
) -> dict[str, dict[str, list[int]]]:
    """{"run", "untrained": {question: (N,) 1 where the answer was right}}."""
    styles = [
        np.array(opened[side].labels["style"], dtype=object) for side in ("train", "pictures")
    ]
    emotions = transfer.emotions(caches, opened)
    asked = {
        "style, 20 labels": ("pictures", *styles, 20),
        "style, 200 labels": ("pictures", *styles, 200),
        "emotions, all labels": ("families", *emotions, 10**6),
    }
    found: dict[str, dict[str, list[int]]] = {"run": {}, "untrained": {}}
    for question, (side, known, wanted, count) in asked.items():
        names = sorted({name for name in known if name is not None})
        rows = _drawn(known, names, count, seed)
        for start in found:
            model = (
                classifier.from_run(run, names, seed=seed)
                if start == "run"
                else classifier.from_recipe(RECIPE, names, seed=seed)
            )[0]
            targets = torch.tensor([names.index(known[row]) for row in rows])
            _train(model, opened["train"], rows, targets, STEPS[count], seed)
            there = np.flatnonzero(wanted != None)  # noqa: E711 (element by element)
            said = _said(model, opened[side], there)
            right = [int(names[k] == wanted[row]) for k, row in zip(said, there, strict=True)]
            found[start][question] = right
    return found


def _drawn(known: Names, names: list[str], count: int, seed: int) -> list[int]:
    """Rows of `count` pictures of each class, or of as many as there are."""
    rng = np.random.default_rng([count, seed])
    return [
        int(row) for name in names for row in rng.permutation(np.flatnonzero(known == name))[:count]
    ]


def _train(
    model: VisionTransformer,
    source: MemorySource,
    rows: list[int],
    targets: Tensor,
    steps: int,
    seed: int,
) -> None:
    rng = np.random.default_rng([seed, steps])
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    model.train()
    for step in range(steps):
        rise, fall = (step + 1) / WARMUP, 0.5 * (1 + np.cos(np.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, rise) * fall
        drawn = rng.integers(0, len(rows), BATCH)
        views = torch.stack([_view(source, rows[k], rng) for k in drawn])
        with torch.autocast("cpu", torch.bfloat16):
            said = model(normalise(views, VIEWS.mean, VIEWS.std))
        loss = functional.cross_entropy(said.float(), targets[torch.from_numpy(drawn)])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


@torch.inference_mode()
def _said(model: VisionTransformer, source: MemorySource, rows: np.ndarray) -> list[int]:
    """The class that each picture's whole view gets."""
    model.eval()
    views = torch.stack([_view(source, int(row), None) for row in rows])
    found = [
        model(normalise(part, VIEWS.mean, VIEWS.std)).argmax(dim=1) for part in views.split(256)
    ]
    return [int(k) for k in torch.cat(found)]


def _view(source: MemorySource, row: int, rng: np.random.Generator | None) -> Tensor:
    """uint8 (C, S, S): a random crop, perhaps flipped; without `rng` the middle of the picture."""
    image = source.pixels(row).scene
    height, width, _ = image.shape
    size = recipes.get(RECIPE).model.image_size
    if rng is None:
        return cut(image, centre_box(width, height, VIEWS.ratio), size)
    box = random_box(rng, width, height, SCALE, VIEWS.ratio)
    return cut(image, box, size, flip=bool(rng.random() < VIEWS.flip_prob))
