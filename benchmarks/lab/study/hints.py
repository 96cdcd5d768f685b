"""The supervised control: the arms' network trained on the emotion hints of their pictures.

It gets as many steps of 64 pictures as an arm, so that what the full method wins over MAE cannot
be the hints alone: they are in the captions that the teacher's texts are made of.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from benchmarks.adapters import parquet
from benchmarks.features import backbones, features
from benchmarks.features.pictures import Pictures
from benchmarks.lab.study.arms import RECIPE
from benchmarks.protocols import finetune
from benchmarks.protocols.base import Problem
from emo8.core.taxonomy import EMOTIONS

BATCH = 64


def train(pictures: Path, out: Path, *, steps: int, seed: int) -> Path:
    """The classifier's file, trained where it is not there yet."""
    if out.is_file():
        return out
    rows = parquet.read(pictures, emotion="emotion_hint")
    index = [row for row, emotion in enumerate(rows.emotion) if emotion is not None]
    target = np.array([EMOTIONS.index(str(rows.emotion[row])) for row in index], dtype=np.int64)
    every = np.arange(len(index))
    problem = Problem(
        features=np.zeros((len(index), 1), np.float32),
        target=target,
        emotions=EMOTIONS,
        train=every,
        valid=every[:0],
        test=every[:1],
        blocks=every,
        seed=seed,
        backbone=backbones.load(f"random:{RECIPE}", seed),
        pictures=Pictures(
            rows=rows,
            index=index,
            digests=features.digests(rows, index),
            view="scene",
            cache=out.parent,
        ),
        save=out,
    )
    epochs = max(1, math.ceil(steps * BATCH / len(index)))
    finetune.predict(problem, finetune.Settings(epochs=epochs, batch_size=BATCH))
    return out
