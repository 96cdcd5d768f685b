"""Pretraining of the arms: one cache of views per kind of text, one RUN per arm and seed.

Both are made by `uniemox` as a subprocess, and only where they are missing or unfinished, so the
same call continues a study that was cut off.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.study import data
from benchmarks.study.arms import RECIPE, Arm
from emo8.errors import Emo8Error

CROPS = 4  # stored per picture, each with the teacher's feature of exactly that crop


def run_folder(work: Path, arm: Arm, steps: int, seed: int) -> Path:
    """Where the RUN of an arm, budget and seed lies."""
    return work / f"steps-{steps}" / f"{arm.name}-seed{seed}"


def is_finished(run: Path, steps: int) -> bool:
    """Whether a RUN has reached its last step."""
    try:
        state = json.loads((run / "last" / "state.json").read_text("utf-8"))
        return bool(state["step"] >= steps)
    except (OSError, ValueError, KeyError):
        return False


def pretrain(arm: Arm, *, work: Path, cache: Path, steps: int, seed: int) -> Path:
    """The finished RUN of an arm, continued or begun where it is not there yet."""
    run = run_folder(work, arm, steps, seed)
    if not is_finished(run, steps):
        settings = [part for key, value in arm.overrides.items() for part in (f"--{key}", value)]
        budget = ["--steps", str(steps), "--seed", str(seed)]
        _uniemox(["pretrain", RECIPE, "--data", str(cache), "--out", str(run), *budget, *settings])
    return run


def make_pictures(corpus: Path, work: Path, texts: str, *, composites: int, seed: int) -> Path:
    """The parquet file of pictures that every arm with these texts learns from."""
    pictures = work / f"pictures-{texts}.parquet"
    if not pictures.is_file():
        data.write(corpus, pictures, composites=composites, seed=seed, texts=texts)
    return pictures


def make_cache(corpus: Path, work: Path, texts: str, *, composites: int, seed: int) -> Path:
    """The file of decoded views and teacher features that every arm with these texts shares."""
    cache = work / f"views-{texts}.safetensors"
    if not cache.is_file():
        pictures = make_pictures(corpus, work, texts, composites=composites, seed=seed)
        _uniemox(
            ["cache", str(pictures), "--recipe", RECIPE, "--crops", str(CROPS), "--out", str(cache)]
        )
    return cache


def _uniemox(arguments: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pretrain.cli", *arguments]
    ended = subprocess.run(command, env=os.environ | {"HF_DATASETS_OFFLINE": "1"}, check=False)
    if ended.returncode:
        raise Emo8Error(
            f"uniemox {' '.join(arguments)} ended with {ended.returncode}; what it said stands "
            "above. The same study command continues once that is mended."
        )
