"""Does it learn what it is taught: a run's student against the teacher, on pictures of a cache.

Needs what training from a cache needs: torch, timm, numpy, safetensors. All patches are seen.

Letters: N pictures, T teacher width, D feature width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pretrain.config.settings import PretrainConfig
from pretrain.data.cache import MemorySource
from pretrain.models.uniemox import UniEmoX
from pretrain.views.cut import centre_box, cut, normalise

BATCH = 128
RIDGE = 1.0  # of the linear map from features to the teacher's, in units of their mean variance
RECALL = (1, 5)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a model says of some pictures, and what the teacher says."""

    student: Tensor | None  # (N, T) unit; None for a model without that output
    features: Tensor  # (N, D) CLS and mean patch
    teacher: Tensor  # (N, T) unit, of the same crops
    own_text: Tensor  # (N,) which text is the picture's


@torch.inference_mode()
def look(
    model: UniEmoX, config: PretrainConfig, source: MemorySource, *, limit: int, student: bool
) -> Seen:
    """The first stored crop of each of the first `limit` pictures."""
    assert source.crops is not None
    device = next(model.parameters()).device
    kept = model.scene_mask_ratio, model.person_mask_ratio
    model.scene_mask_ratio = model.person_mask_ratio = 0.0
    model.set_outputs(student=student, pred=False)
    count = min(limit, len(source.ids))
    students, features = [], []
    for scene, person in _batches(source, config, count):
        views = [
            normalise(view.to(device), config.views.mean, config.views.std)
            for view in (scene, person)
        ]
        if student:
            noise = torch.rand(len(scene), config.model.num_patches, device=device)
            found = model.eval()(*views, noise, noise).student
            students.append(functional.normalize(found.float(), dim=-1).cpu())
        tokens = model.mae.encode(views[0])
        pooled = torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1)
        features.append(pooled.float().cpu())
    model.scene_mask_ratio, model.person_mask_ratio = kept
    return Seen(
        student=torch.cat(students) if students else None,
        features=torch.cat(features),
        teacher=source.crops.features[:count, 0],
        own_text=source.text_index[:count],
    )


def _batches(
    source: MemorySource, config: PretrainConfig, count: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """uint8 scene crops as stored, and person views from the middle of their region."""
    assert source.crops is not None
    size = config.model.image_size
    for first in range(0, count, BATCH):
        scenes, people = [], []
        for row in range(first, min(count, first + BATCH)):
            pixels = source.pixels(row)
            height, width, _ = pixels.scene.shape
            edges = source.crops.boxes[row, 0] * torch.tensor([width, height, width, height])
            left, top, right, bottom = (int(edge) for edge in edges.round())
            box = (min(left, width - 1), min(top, height - 1), max(1, right), max(1, bottom))
            scenes.append(cut(pixels.scene, box, size, flip=bool(source.crops.flips[row, 0])))
            person = pixels.scene if pixels.person is None else pixels.person
            people.append(cut(person, centre_box(person.shape[1], person.shape[0]), size))
        yield torch.stack(scenes), torch.stack(people)


def explained(said: Tensor, teacher: Tensor) -> float:
    """Share of the teacher's variance over pictures that a prediction (N, T) explains."""
    left = (teacher - said).square().sum()
    return float(1 - left / (teacher - teacher.mean(dim=0)).square().sum())


def linearly_explained(train: Seen, held_out: Seen) -> float:
    """The same of a ridge regression from features to the teacher's, fitted on other pictures."""
    return explained(ridge(train.features, train.teacher, held_out.features), held_out.teacher)


def ridge(features: Tensor, wanted: Tensor, asked: Tensor) -> Tensor:
    """What a ridge regression, fitted from features (N, D) to (N, T), says of `asked` (M, D)."""
    mean, spread = features.mean(dim=0), features.std(dim=0) + 1e-6
    inputs, questions = ((part - mean) / spread for part in (features, asked))
    centre = wanted.mean(dim=0)
    gram = inputs.T @ inputs + RIDGE * len(inputs) * torch.eye(inputs.shape[1]) / 10
    return questions @ torch.linalg.solve(gram, inputs.T @ (wanted - centre)) + centre


def recall(said: Tensor, texts: Tensor, own_text: Tensor) -> dict[str, float]:
    """{"1", "5": share of texts whose own picture is among the first}, by features (N, T)."""
    asked = own_text.unique()
    order = (texts[asked] @ said.T).argsort(dim=1, descending=True)
    right = own_text[order] == asked[:, None]
    return {str(k): round(float(right[:, :k].any(dim=1).float().mean()), 4) for k in RECALL}


def agreement(said: Tensor, teacher: Tensor, prompts: Tensor) -> float:
    """Share of pictures of which both name the same of the prompts (K, T)."""
    same = (said @ prompts.T).argmax(dim=1) == (teacher @ prompts.T).argmax(dim=1)
    return float(same.float().mean())


def nearest_labels(train: Seen, held_out: Seen, labels: tuple[np.ndarray, np.ndarray]) -> float:
    """Share of held-out pictures whose nearest neighbour by features has their label."""
    bank, asked = (functional.normalize(seen.features, dim=1) for seen in (train, held_out))
    nearest = (asked @ bank.T).argmax(dim=1).numpy()
    return float(np.mean(labels[0][nearest] == labels[1]))
