"""Why an arm came out as it did: how much of its teacher it has learned, on the choice families.

    python -m benchmarks.lab.study.why --corpus CORPUS --work WORK --steps 300 --out why.json

L2 is 1 - cosine between student and teacher. A student that says the same of every picture already
reaches `constant_l2`, so `learned` = 1 - L2 / constant_l2 is what it has learned of how pictures
differ; two crops of one picture differ by `crops_l2` for the teacher itself. `student_probe` is a
linear probe on the student's fused token in place of the encoder's own features. Faces are those
that teach the probes, and the choice families; no test family is read.
Shapes: N faces, T teacher width, K stored crops.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.features import backbones, features
from benchmarks.lab.output import tell
from benchmarks.lab.study import probe, train
from benchmarks.lab.study.arms import ARMS
from benchmarks.lab.study.probe import ProbeFaces, Sides

Vectors = npt.NDArray[np.float32]
LAST_STEPS = 30  # of a RUN, over which its losses are averaged


def look(
    work: Path, faces: ProbeFaces, *, steps: int, seeds: int, probe_seeds: int
) -> dict[str, Any]:
    """Facts about the teacher's targets, and about the finished RUNs that have a student."""
    where = probe.sides(faces, open_test=False)
    index = [*where.train.tolist(), *where.test.tolist()]
    pictures = [
        picture
        for row, data in zip(index, faces.rows.images(index), strict=True)
        if not isinstance(picture := features.decode_view(data, faces.rows, row, "scene"), str)
    ]
    if len(pictures) != len(index):
        raise ValueError("a face does not decode: this needs all of them")
    teacher = backbones.load(train.EMBEDDED).features(pictures)
    found: dict[str, Any] = {"targets": targets(work), "faces": len(index)}
    found["constant_l2"] = round(constant_l2(teacher), 4)
    found["runs"] = {}
    for run in sorted((work / f"steps-{steps}").glob("*-seed[0-9]")):
        name, _, seed = run.name.rpartition("-seed")
        is_asked = name in ARMS and ARMS[name]().teacher == train.EMBEDDED and int(seed) < seeds
        if is_asked and train.is_finished(run, steps):
            said = students(run, pictures)
            if said is not None:
                compared = _compared(said, teacher, faces, where, index, probe_seeds)
                found["runs"][run.name] = {"trained_l2": _trained_l2(run), **compared}
    return found


def _trained_l2(run: Path) -> float:
    """Mean L2 of the last steps, on masked crops."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    found = [line["losses"]["L2"] for line in lines if "losses" in line]
    return round(float(np.mean(found[-LAST_STEPS:])), 4)


def targets(work: Path) -> dict[str, float]:
    """What the teacher says of the stored crops: how far a constant answer gets, and noise."""
    from safetensors import safe_open

    with safe_open(work / "views-captions.safetensors", framework="np") as file:
        crops = file.get_tensor("crop_features")  # (N, K, T)
    pairs = np.einsum("nt,nt->n", crops[:, 0], crops[:, 1])
    return {
        "constant_l2": round(constant_l2(crops.reshape(-1, crops.shape[2])), 4),
        "crops_l2": round(float(1 - pairs.mean()), 4),
    }


def constant_l2(unit: Vectors) -> float:
    """The least mean of 1 - cosine that one vector can have to all of these unit vectors (N, T)."""
    return float(1 - np.linalg.norm(unit.mean(axis=0, dtype=np.float64)))


def students(run: Path, pictures: Sequence[npt.NDArray[np.uint8]]) -> Vectors | None:
    """Unit student tokens (N, T) of whole pictures, no patch masked; None for an arm without."""
    import torch

    from pretrain.models.fusion import SceneOnly
    from pretrain.weights import encoder as checkpoint

    model, config = checkpoint.load_model(run)
    if not (config.loss.contrastive_on or config.loss.similarity_on):
        return None
    encoder = checkpoint.load_encoder(run)
    found = []
    for first in range(0, len(pictures), features.BATCH):
        tokens = encoder.tokens(pictures[first : first + features.BATCH])
        with torch.inference_mode():
            token = model.mae.decoder_embed(torch.from_numpy(tokens[:, 0]))
            person = None if isinstance(model.fusion, SceneOnly) else token  # the whole picture
            said = model.projection(model.fusion(token, person))
            found.append(torch.nn.functional.normalize(said, dim=-1).numpy())
    return np.concatenate(found)


def _compared(
    said: Vectors,
    teacher: Vectors,
    faces: ProbeFaces,
    where: Sides,
    index: list[int],
    probe_seeds: int,
) -> dict[str, float]:
    l2 = float(1 - np.einsum("nt,nt->n", said, teacher).mean())
    table = np.zeros((len(faces.target), said.shape[1]), np.float32)
    table[index] = said
    accuracy = [
        probe.accuracy_of(table, faces, where, seed, backbones.load("pixels:1"))
        for seed in range(probe_seeds)
    ]
    return {
        "l2": round(l2, 4),
        "learned": round(1 - l2 / constant_l2(teacher), 3),
        "student_probe": round(float(np.mean(accuracy)), 3),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="of benchmarks.lab.study")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3, help="pretraining seeds, from 0")
    parser.add_argument("--probe-seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    faces = probe.read(arguments.corpus / "emotion_faces.parquet")
    found = look(
        arguments.work,
        faces,
        steps=arguments.steps,
        seeds=arguments.seeds,
        probe_seeds=arguments.probe_seeds,
    )
    tell(found, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
