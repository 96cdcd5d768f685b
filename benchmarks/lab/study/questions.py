"""What a run is asked at every point of its curve: see learning.md.

Letters: N pictures, D feature width, K styles.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.lab import learned
from benchmarks.lab.learned import Seen
from benchmarks.lab.study.arms import RECIPE, Arm
from benchmarks.lab.study.sides import SIDES
from emo8.core.taxonomy import EMOTIONS
from pretrain.config import recipes
from pretrain.config.overrides import override
from pretrain.config.settings import TeacherConfig
from pretrain.data.cache import MemorySource, read_cache
from pretrain.models.uniemox import UniEmoX, build_model
from pretrain.teacher import load_teacher
from pretrain.weights import encoder

LABELS = (5, 20, 200)  # for each style
DRAWS = 10
TRAIN_ROWS = 4000  # of the training pictures, for ridge and labels
PIXELS = 16  # side of raw pixels as features


def ask(run: Path, caches: dict[str, Path]) -> dict[str, Any]:
    """Everything about the newest weights of a RUN."""
    model, config = encoder.load_model(run)
    weights = config.loss.weights
    return _ask(model, caches, student="L1" in weights or "L2" in weights)


def beside(caches: dict[str, Path], seed: int, arm: Arm) -> dict[str, Any]:
    """The same of the arm's untrained network, of raw pixels, and of the teacher."""
    opened = sources(caches)
    looks = _beside(opened, seed, arm, {"train": TRAIN_ROWS})
    return {name: _answers(seen, opened) for name, seen in looks.items()}


def looks_of_all(
    run: Path, opened: dict[str, MemorySource], seed: int, arm: Arm
) -> dict[str, dict[str, Seen]]:
    """{"run", "untrained", "pixels", "teacher": what it says of every picture of every side}."""
    model, _ = encoder.load_model(run)
    return {"run": _look(model, opened, {}, student=False), **_beside(opened, seed, arm, {})}


def _beside(
    opened: dict[str, MemorySource], seed: int, arm: Arm, limits: dict[str, int]
) -> dict[str, dict[str, Seen]]:
    teacher = opened["train"].teacher
    assert teacher is not None
    sizes = override(recipes.get(RECIPE), arm.overrides).model
    untrained = build_model(sizes, teacher_dim=teacher.dim, seed=seed)
    seen = _look(untrained, opened, limits, student=False)
    pixels = {name: _as_features(_pixels(opened[name], len(s.features)), s)
              for name, s in seen.items()}  # fmt: skip
    itself = {name: _as_features(s.teacher, s) for name, s in seen.items()}
    return {"untrained": seen, "pixels": pixels, "teacher": itself}


def _ask(model: UniEmoX, caches: dict[str, Path], *, student: bool) -> dict[str, Any]:
    opened = sources(caches)
    limits = {"train": TRAIN_ROWS}
    return _answers(_look(model, opened, limits, student=student), opened)


def sources(caches: dict[str, Path]) -> dict[str, MemorySource]:
    """The caches, opened."""
    config = override(recipes.get(RECIPE), {"teacher.name": "embedded"})
    return {name: read_cache(caches[name], "train", config) for name in SIDES}


def _look(
    model: UniEmoX, opened: dict[str, MemorySource], limits: dict[str, int], *, student: bool
) -> dict[str, Seen]:
    config = recipes.get(RECIPE)
    return {
        name: learned.look(
            model, config, source, limit=limits.get(name, 10**9),
            student=student and name != "train",
        )
        for name, source in opened.items()
    }  # fmt: skip


def _as_features(features: Tensor, seen: Seen) -> Seen:
    return Seen(student=None, features=features, teacher=seen.teacher, own_text=seen.own_text)


def _pixels(source: MemorySource, count: int) -> Tensor:
    """(N, 3 * 16 * 16) pixels of the whole pictures."""
    small = []
    for row in range(count):
        image = source.pixels(row).scene.permute(2, 0, 1).unsqueeze(0).float() / 255
        small.append(functional.interpolate(image, (PIXELS, PIXELS), mode="area").flatten())
    return torch.stack(small)


def _answers(seen: dict[str, Seen], opened: dict[str, MemorySource]) -> dict[str, Any]:
    """The numbers of one model."""
    found: dict[str, Any] = {}
    prompts = load_teacher(TeacherConfig(name="embedded"), torch.device("cpu")).text_features(
        [f"a picture that evokes {emotion}" for emotion in EMOTIONS]
    )
    for name in ("pictures", "families"):
        one, texts = seen[name], opened[name].text_features
        assert texts is not None
        found[f"{name}_rows"] = len(one.features)
        found[f"{name}_by_features"] = learned.linearly_explained(seen["train"], one)
        if one.student is not None:
            found[f"{name}_explained"] = learned.explained(one.student, one.teacher)
            found[f"{name}_agreement"] = learned.agreement(one.student, one.teacher, prompts)
            found[f"{name}_recall"] = learned.recall(one.student, texts, one.own_text)
    styles = [np.array(opened[n].labels["style"], dtype=object) for n in ("train", "pictures")]
    found["styles"] = {
        str(count): from_few_labels(
            seen["train"].features, styles[0][: len(seen["train"].features)],
            seen["pictures"].features, styles[1], count,
        ).round(3).tolist()
        for count in LABELS
    }  # fmt: skip
    return found


def from_few_labels(
    train: Tensor,
    labels: npt.NDArray[np.object_],
    asked: Tensor,
    wanted: npt.NDArray[np.object_],
    count: int,
) -> npt.NDArray[np.float64]:
    """(N,) share of label draws in which a picture's style was right.

    The classifier is a ridge regression on standardised features (N, D) to K indicator columns, the
    same for every model; `count` labels of each style, or as many as there are.
    """
    names = sorted({name for name in labels if name is not None})
    mean, spread = train.mean(dim=0), train.std(dim=0) + 1e-6
    known, question = (train - mean) / spread, (asked - mean) / spread
    right = np.zeros(len(asked))
    for draw in range(DRAWS):
        rng = np.random.default_rng([count, draw])
        rows = np.concatenate(
            [rng.permutation(np.flatnonzero(labels == name))[:count] for name in names]
        )
        inputs = known[rows]
        target = torch.tensor([[float(labels[r] == n) for n in names] for r in rows])
        centre = target.mean(dim=0)
        kernel = inputs @ inputs.T + inputs.shape[1] * torch.eye(len(rows))  # ridge, dual form
        weights = inputs.T @ torch.linalg.solve(kernel, target - centre)
        said = (question @ weights + centre).argmax(dim=1).numpy()
        right += np.array([names[k] for k in said], dtype=object) == wanted
    return right / DRAWS
