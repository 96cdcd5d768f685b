"""The person view where there is a person, against a random crop of its size.

See "Added on 29 November" in learning.md. Letters: N composites, C channels, S pixels per side of
a view, D feature width, T teacher width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.lab import learned
from benchmarks.lab.study import data, sides
from benchmarks.lab.study.arms import RECIPE
from pretrain.config import recipes
from pretrain.config.settings import TeacherConfig
from pretrain.models.fusion import SceneOnly
from pretrain.models.uniemox import UniEmoX, build_model
from pretrain.teacher import load_teacher
from pretrain.views.cut import Box, cut, normalise, person_region
from pretrain.views.pictures import decode
from pretrain.weights import encoder

TRAIN, ASKED = 1500, 500  # composites
SEEDS = {"train": 1, "asked": 2}  # of the composites, other ones than those learned from
VIEWS = {
    "scene": ("scene",),
    "person": ("person",),
    "random crop": ("random",),
    "scene + person": ("scene", "person"),
    "scene + random crop": ("scene", "random"),
}
CONFIG = recipes.get(RECIPE)
BATCH = 250
Shares = dict[str, list[float]]


@dataclass(frozen=True, kw_only=True)
class Composites:
    """Views of composites, and what the teacher says of the figure alone and of the scene view."""

    views: dict[str, Tensor]  # "scene", "person", "random": uint8 (N, C, S, S)
    figure: Tensor  # (N, T) unit
    scene: Tensor  # (N, T) unit
    overlap: float  # mean share of the random crop that lies in the person's


def answers(run: Path, corpus: Path, seed: int) -> dict[str, Shares]:
    """{"run", "untrained", "teacher": {views: (N,) explained of what is said of the figure}}.

    The mean of the N is the share of variance explained. Of "run" also "student with ...": how near
    its output comes to what the teacher says of the scene view.
    """
    teacher = load_teacher(TeacherConfig(name="embedded"), torch.device("cpu"))
    made = composites(corpus, teacher.image_features)
    model, _ = encoder.load_model(run)
    untrained = build_model(CONFIG.model, teacher_dim=teacher.dim, seed=seed)
    found = {
        "run": _read_figures(made, lambda views: _pooled(model, views)),
        "untrained": _read_figures(made, lambda views: _pooled(untrained, views)),
        "teacher": _read_figures(made, teacher.image_features),
    }
    if not isinstance(model.fusion, SceneOnly):
        for second in VIEWS["scene + person"][1], "random", "scene":
            said = _students(model, made["asked"].views["scene"], made["asked"].views[second])
            found["run"][f"student with {second}"] = _explained(said, made["asked"].scene)
    found["overlap"] = {side: [one.overlap] for side, one in made.items()}
    return found


def composites(corpus: Path, features: Callable[[Tensor], Tensor]) -> dict[str, Composites]:
    """{"train": of pictures that are learned from, "asked": of pictures held out}."""
    train, held_out = sides.split(corpus)
    return {
        "train": _made(train, TRAIN, SEEDS["train"], features),
        "asked": _made(held_out, ASKED, SEEDS["asked"], features),
    }


def _made(
    rows: list[sides.Row], count: int, seed: int, features: Callable[[Tensor], Tensor]
) -> Composites:
    pictures = {row["id"]: row["image"] for row in rows}
    rng = np.random.default_rng(seed)
    views: dict[str, list[Tensor]] = {"scene": [], "person": [], "random": [], "figure": []}
    overlaps = []
    for row in data.compose_rows(rows, count, seed):
        image, figure = decode(row["image"]), decode(pictures[row["figure"]])
        height, width, _ = image.shape
        box = person_region(row["people"], width, height, CONFIG.views)
        assert box is not None
        random = _moved(box, width, height, rng)
        overlaps.append(_overlap(box, random))
        for name, picture, part in (
            ("scene", image, (0, 0, width, height)),
            ("person", image, box),
            ("random", image, random),
            ("figure", figure, (0, 0, figure.shape[1], figure.shape[0])),
        ):
            views[name].append(cut(picture, part, CONFIG.model.image_size))
    stacked = {name: torch.stack(found) for name, found in views.items()}
    return Composites(
        figure=features(stacked.pop("figure")),
        scene=features(stacked["scene"]),
        views=stacked,
        overlap=float(np.mean(overlaps)),
    )


def _moved(box: Box, width: int, height: int, rng: np.random.Generator) -> Box:
    """A box of that size anywhere in the picture."""
    wide, high = box[2] - box[0], box[3] - box[1]
    left, top = (int(rng.integers(0, room + 1)) for room in (width - wide, height - high))
    return left, top, left + wide, top + high


def _overlap(one: Box, other: Box) -> float:
    """Share of `other` that lies in `one`."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    area = (other[2] - other[0]) * (other[3] - other[1])
    return max(0, wide) * max(0, high) / area


def _read_figures(made: dict[str, Composites], features: Callable[[Tensor], Tensor]) -> Shares:
    """Per views the shares of what the teacher says of figures, from features (N, D)."""
    seen = {side: {name: _batched(features, views) for name, views in one.views.items()}
            for side, one in made.items()}  # fmt: skip
    found = {}
    for name, parts in VIEWS.items():
        train, asked = (torch.cat([seen[side][part] for part in parts], dim=1) for side in made)
        said = learned.ridge(train, made["train"].figure, asked)
        found[name] = _explained(said, made["asked"].figure)
    return found


def _explained(said: Tensor, wanted: Tensor) -> list[float]:
    """(N,) whose mean is the share of variance explained of `wanted` (N, T)."""
    spread = (wanted - wanted.mean(dim=0)).square().sum(dim=1).mean()
    return [
        round(value, 4) for value in (1 - (wanted - said).square().sum(dim=1) / spread).tolist()
    ]


@torch.inference_mode()
def _pooled(model: UniEmoX, views: Tensor) -> Tensor:
    """(N, D) CLS and mean patch, all patches seen."""
    tokens = model.eval().mae.encode(normalise(views, CONFIG.views.mean, CONFIG.views.std))
    return torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1)


@torch.inference_mode()
def _students(model: UniEmoX, scenes: Tensor, seconds: Tensor) -> Tensor:
    """Unit (N, T) student outputs with `seconds` as the person views."""
    model.scene_mask_ratio = model.person_mask_ratio = 0.0
    model.set_outputs(student=True, pred=False)
    found = []
    for first in range(0, len(scenes), BATCH):
        pair = [
            normalise(part[first : first + BATCH], CONFIG.views.mean, CONFIG.views.std)
            for part in (scenes, seconds)
        ]
        noise = torch.rand(len(pair[0]), CONFIG.model.num_patches)
        student = model.eval()(*pair, noise, noise).student
        found.append(functional.normalize(student.float(), dim=-1))
    return torch.cat(found)


def _batched(features: Callable[[Tensor], Tensor], views: Tensor) -> Tensor:
    return torch.cat([features(part) for part in views.split(BATCH)])
