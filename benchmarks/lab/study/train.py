"""Pretraining of the arms: one cache of views per kind of text and teacher, one RUN per arm, seed.

All are made by commands of ours as subprocesses, and only where they are missing or unfinished, so
the same call continues a study that was cut off.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.lab.study import data
from benchmarks.lab.study.arms import RECIPE, Arm
from emo8.core.errors import Emo8Error

CROPS = 4  # stored per picture, each with the teacher's feature of exactly that crop
EMBEDDED = "embedded"
# teachers that are trained here, as `lab/embedded_clip/train.py` does; half an hour each
TEACHERS = {"without_emotion": {"emotion": False, "emotion_loss": 0.0}}


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
        overrides = arm.overrides | {"teacher.name": teacher_name(work, arm.teacher)}
        settings = [part for key, value in overrides.items() for part in (f"--{key}", value)]
        budget = ["--steps", str(steps), "--seed", str(seed)]
        where = ["--data", str(cache), "--out", str(run)]
        _call(["pretrain.cli", "pretrain", RECIPE, *where, *budget, *settings])
    return run


def make_pictures(corpus: Path, work: Path, texts: str, *, composites: int, seed: int) -> Path:
    """The parquet file of pictures that every arm with these texts learns from."""
    pictures = work / f"pictures-{texts}.parquet"
    if not pictures.is_file():
        data.write(corpus, pictures, composites=composites, seed=seed, texts=texts)
    return pictures


def make_teacher(corpus: Path, work: Path, teacher: str) -> None:
    """Trains the teacher unless it is the embedded one or there; `training.json` comes last."""
    out = work / f"teacher-{teacher}"
    if teacher == EMBEDDED or (out / "training.json").is_file():
        return
    settings = json.dumps(TEACHERS[teacher])
    command = ["--corpus", str(corpus), "--out", str(out), "--settings", settings]
    _call(["benchmarks.lab.embedded_clip.train", *command])


def teacher_name(work: Path, teacher: str) -> str:
    """The teacher as recipes name it."""
    return EMBEDDED if teacher == EMBEDDED else f"local-dir:{work / f'teacher-{teacher}'}"


def make_cache(corpus: Path, work: Path, arm: Arm, *, composites: int, seed: int) -> Path:
    """The file of decoded views and teacher features that arms with its texts and teacher share."""
    name = arm.texts if arm.teacher == EMBEDDED else f"{arm.texts}-{arm.teacher}"
    cache = work / f"views-{name}.safetensors"
    if not cache.is_file():
        pictures = make_pictures(corpus, work, arm.texts, composites=composites, seed=seed)
        make_teacher(corpus, work, arm.teacher)
        teacher = ["--teacher.name", teacher_name(work, arm.teacher)]
        wanted = ["--recipe", RECIPE, "--crops", str(CROPS), "--out", str(cache)]
        _call(["pretrain.cli", "cache", str(pictures), *wanted, *teacher])
    return cache


def _call(arguments: Sequence[str]) -> None:
    """Runs `python -m` with these arguments."""
    command = [sys.executable, "-m", *arguments]
    ended = subprocess.run(command, env=os.environ | {"HF_DATASETS_OFFLINE": "1"}, check=False)
    if ended.returncode:
        raise Emo8Error(
            f"python -m {' '.join(arguments)} ended with {ended.returncode}; what it said stands "
            "above. The same study command continues once that is mended."
        )
