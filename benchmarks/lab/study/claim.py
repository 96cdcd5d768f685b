"""`python -m benchmarks.lab.study`: pretrain the arms, probe them, write the report. Resumable.

Every arm and seed leaves one JSON file in RESULTS/claim/steps-N/, so that a study cut off anywhere
continues with the same command, and one done on several machines is put together by copying files.
The test families are measured only with `open_test`, which is logged.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.lab import machine
from benchmarks.lab.study import arms, hints, probe, report, train
from benchmarks.lab.study.arms import FIRST_FIVE, Arm
from benchmarks.lab.study.probe import ProbeFaces, Sides
from emo8.core.errors import Emo8Error, SourceError

logger = logging.getLogger(__name__)
LOOKS = "claim_looks.csv"
CONTROLS = {"pixels": "pixels:16", "teacher": "embedded"}
# Steps of `full` in a minute on two quiet cores, measured once (0.75 core-seconds a step); only
# turns --budget-minutes into steps, so that a busy machine changes nothing.
STEPS_PER_MINUTE = 160


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """What one call of the study does."""

    corpus: Path  # folder with images-*.parquet and emotion_faces.parquet
    work: Path  # caches and RUNs: hundreds of megabytes
    out: Path  # results
    steps: int = 300  # per arm and seed
    seeds: int = 3  # pretraining seeds, from 0
    probe_seeds: int = 5
    arms: tuple[str, ...] = FIRST_FIVE
    composites: int = 2000
    open_test: bool = False  # measure the test families, logged
    only: str | None = None  # "pretrain", "probe" or "report"; None = all


def run(config: StudyConfig) -> Iterator[str]:
    """A line about each thing done; the report is written last, also of an unfinished study."""
    chosen = [arms.get(name) for name in config.arms]
    faces_path = config.corpus / "emotion_faces.parquet"
    if not faces_path.is_file():
        raise SourceError(f"--corpus {config.corpus}: no emotion_faces.parquet in it.")
    if config.steps < 1 or config.seeds < 1 or config.probe_seeds < 1:
        raise Emo8Error("--steps, --seeds and --probe-seeds must be at least 1.")
    faces = probe.read(faces_path)
    if config.only != "report":
        where = probe.sides(faces, open_test=config.open_test)
        yield from _controls(config, faces, where)
        for seed in range(config.seeds):
            for arm in chosen:
                yield from _one(config, arm, seed, faces, where)
    if config.only in (None, "report"):
        yield str(report.write(config.out, config.steps, faces))


def _one(
    config: StudyConfig, arm: Arm, seed: int, faces: ProbeFaces, where: Sides
) -> Iterator[str]:
    label = f"{arm.name} seed {seed}, {config.steps} steps"
    run = train.run_folder(config.work, arm, config.steps, seed)
    if arm.supervised:
        run = run.with_suffix(".safetensors")
    done = run.is_file() if arm.supervised else train.is_finished(run, config.steps)
    if arm.trained and not done and config.only != "probe":
        _pretrain(config, arm, seed, run)
        done = True
        yield f"pretrained {label}"
    if config.only == "pretrain":
        return
    if arm.trained and not done:
        yield f"not pretrained yet: {label}"
        return
    model = str(run) if arm.trained else f"random:{arms.RECIPE}"
    yield from _measure(config, arm.name, arm.what, model, seed, faces, where)


def _pretrain(config: StudyConfig, arm: Arm, seed: int, run: Path) -> None:
    if arm.supervised:
        pictures = train.make_pictures(
            config.corpus, config.work, arm.texts, composites=config.composites, seed=0
        )
        hints.train(pictures, run, steps=config.steps, seed=seed)
        return
    cache = train.make_cache(config.corpus, config.work, arm, composites=config.composites, seed=0)
    train.pretrain(arm, work=config.work, cache=cache, steps=config.steps, seed=seed)


def _controls(config: StudyConfig, faces: ProbeFaces, where: Sides) -> Iterator[str]:
    if config.only == "pretrain":
        return
    for name, model in CONTROLS.items():
        yield from _measure(config, name, f"control: {model}", model, 0, faces, where)


def _measure(
    config: StudyConfig,
    name: str,
    what: str,
    model: str,
    seed: int,
    faces: ProbeFaces,
    where: Sides,
) -> Iterator[str]:
    """Measures one encoder unless its file is there; a look at the test families is logged."""
    folder = config.out / "claim" / f"steps-{config.steps}"
    path = folder / f"{where.name}-{name}-seed{seed}.json"
    if path.is_file():
        return
    found = probe.measure(model, seed, faces, where, config.probe_seeds, config.work / "features")
    found |= {"arm": name, "what": what, "seed": seed, "steps": config.steps}
    found["machine"] = machine.describe()
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    partial.replace(path)
    if where.name == "test":
        _log_look(config.out / LOOKS, found)
    yield f"measured {name} seed {seed} on the {where.name} families"


def _log_look(path: Path, found: dict[str, Any]) -> None:
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(["date", "arm", "seed", "steps", "model_sha256"])
        today = datetime.now(UTC).date().isoformat()
        writer.writerow([today, found["arm"], found["seed"], found["steps"], found["model_sha256"]])
