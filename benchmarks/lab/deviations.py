"""What two deviations of the paper's public code cost, measured on any run and dataset.

    python -m benchmarks.lab.deviations RUN --data DATASET --split val --faces emotion_faces.parquet

1. Its decoder returns one prediction per picture. The best that any one prediction can reach is the
   mean target of that picture's masked patches, known without training: if a trained run's L3 lies
   below this floor, no training of the public decoder can reach it.
2. Its teacher gets pixels with the student's mean and std. Here the run's teacher gets both: cosine
   between its features, and its zero-shot accuracy on labelled faces, of the families that choices
   are made on. Intervals are 95% of a bootstrap over pictures.

Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pretrain.data.cache import open_source
from pretrain.teacher import load_teacher
from pretrain.train.evaluate import evaluate, targets_and_masks
from pretrain.views.cut import centre_box, cut, normalise
from pretrain.weights import encoder as checkpoint

FAMILIES = ("fxemoji", "dylan")  # of the labelled faces: choices are made on these, tests on others
RESAMPLES = 1000


def one_token_floor(run: Path, data: str, split: str, *, limit: int = 512) -> float:
    """The lowest L3 of a decoder that predicts the same values for every patch of a picture."""
    _, config = checkpoint.load_model(run)
    source = open_source(data, split, config)
    losses = []
    for target, masks in targets_and_masks(config, source, limit):
        for patches, mask in zip(target, masks.bool(), strict=True):
            hidden = patches[mask]  # (M, P*P*C)
            losses.append((hidden - hidden.mean(dim=0)).square().mean().item())
    return float(np.mean(losses))


def wrong_pixels(run: Path, faces: Path) -> dict[str, Any]:
    """Cosine and zero-shot accuracy of the run's teacher with its own and the student's pixels."""
    from emo8.core.taxonomy import EMOTIONS
    from emo8.labels.clip import encoder
    from emo8.labels.clip.prompts import load_prompts
    from emo8.labels.clip.zeroshot import classifier

    _, config = checkpoint.load_model(run)
    teacher = load_teacher(config.teacher, torch.device("cpu"))
    clip = encoder.load(config.teacher.name)
    weights = torch.from_numpy(classifier(clip, load_prompts().emotion, EMOTIONS))  # (emotions, T)
    own, given, truth = [], [], []
    for crop, label in _labelled(faces, clip.image_size):
        batch = crop.unsqueeze(0)
        own.append(teacher.image_features(batch)[0])
        pixels = normalise(batch, config.views.mean, config.views.std)
        with torch.no_grad():
            feature = clip.model.encode_image(pixels)[0].float()
        given.append(torch.nn.functional.normalize(feature, dim=0))
        truth.append(label)
    right = {
        name: ((torch.stack(found) @ weights.T).argmax(dim=1) == torch.tensor(truth)).numpy()
        for name, found in (("own", own), ("student's", given))
    }
    return {
        "pictures": len(truth),
        "cosine": round(float((torch.stack(own) * torch.stack(given)).sum(dim=1).mean()), 3),
        "accuracy": {name: round(float(hits.mean()), 3) for name, hits in right.items()},
        "accuracy_lost": _interval(right["own"].astype(float) - right["student's"]),
    }


def _labelled(faces: Path, side_px: int) -> Iterator[tuple[Tensor, int]]:
    """uint8 (C, S, S) and the emotion's number, of the families for choosing."""
    import pyarrow.parquet as pq

    from emo8.core.inside import cell_bytes
    from emo8.core.taxonomy import EMOTIONS
    from pretrain.data.dataset import decode

    table = pq.read_table(faces, filters=[("vendor", "in", list(FAMILIES))])
    for line in table.select(["image", "emotion"]).to_pylist():
        image = decode(cell_bytes(line["image"]))
        box = centre_box(image.shape[1], image.shape[0])
        yield cut(image, box, side_px), EMOTIONS.index(line["emotion"])


def _interval(values: np.ndarray) -> list[float]:
    """Mean and the ends of its 95% interval."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return [round(float(number), 3) for number in (values.mean(), low, high)]


def main(argv: Sequence[str] | None = None) -> int:
    """0 when both were measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--faces", type=Path, required=True)
    arguments = parser.parse_args(argv)
    losses = evaluate(arguments.run, arguments.data, arguments.split)
    floor = one_token_floor(arguments.run, arguments.data, arguments.split)
    found = {
        "one_token": {
            "rows": losses["rows"],
            "run_L3": round(losses["after"]["L3"], 3),
            "floor_of_one_token_L3": round(floor, 3),
            "mean_patch_L3": round(losses["mean_patch"], 3),
        },
        "teacher_pixels": wrong_pixels(arguments.run, arguments.faces),
    }
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
