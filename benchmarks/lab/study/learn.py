"""`python -m benchmarks.lab.study.learn`: an arm and seed within a CPU budget, measured on the way.

    python -m benchmarks.lab.study.learn --corpus CORPUS --work WORK --arms full --seeds 0
    python -m benchmarks.lab.study.learn --report

Read learning.md first. Resumable: the same command goes on where it was cut off; each arm and seed
is one JSON file of the results.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.lab import machine
from benchmarks.lab.study import (
    arms,
    artists,
    fine_tuned,
    learned_page,
    person_view,
    questions,
    sides,
    transfer,
)
from benchmarks.lab.study.arms import RECIPE, Arm
from emo8.core.errors import Emo8Error

FIRST_POINT = 250  # steps; each later point has twice as many
FIRST_OF_OTHERS = 1000  # of arms that are shown no curve
WARMUP = 50
DEPTH = "model.depth"
RESULTS = Path("benchmarks/results")


def main(argv: Sequence[str] | None = None) -> int:
    """0 when what was asked is done."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--corpus", type=Path, help="images-*.parquet")
    parser.add_argument("--work", type=Path, help="folder for caches and RUNs")
    parser.add_argument("--arms", nargs="+", default=["full"], metavar="ARM")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--cpu-minutes", type=float, default=15.0, help="for an arm and seed")
    parser.add_argument("--composites", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--report", action="store_true", help="write the page alone")
    given = parser.parse_args(argv)
    try:
        if not given.report:
            if given.corpus is None or given.work is None:
                raise Emo8Error("--corpus and --work are needed to run an arm")
            learned_from = tuple(arms.get(name).learned_from for name in given.arms)
            caches = sides.make_caches(given.corpus, given.work, given.composites, learned_from)
            for seed in given.seeds:
                for name in given.arms:
                    run_arm(arms.get(name), seed, caches, given)
        sys.stdout.write(f"{learned_page.write(given.out)}\n")
    except Emo8Error as error:
        sys.stderr.write(f"learn: {error}\n")
        return 2
    return 0


def run_arm(arm: Arm, seed: int, caches: dict[str, Path], given: argparse.Namespace) -> None:
    """Train and measure until the budget is spent; what was done before counts."""
    path = given.out / "learning" / f"{arm.name}-seed{seed}.json"
    found = json.loads(path.read_text("utf-8")) if path.is_file() else _empty(arm, seed)
    run = given.work / "learning" / f"{arm.name}-seed{seed}"
    budget = 60 * given.cpu_minutes
    if not found["points"]:
        found["beside"] = _beside(given.out, seed, arm) or questions.beside(caches, seed, arm)
    while found["cpu_s"] < budget:
        before = found["points"][-1]["steps"] if found["points"] else 0
        first = FIRST_POINT if arm.name in arms.CURVES_OF else FIRST_OF_OTHERS
        steps = _next(before, found["cpu_s"], budget, first)
        if steps <= before:
            break
        found["cpu_s"] += train(arm, run, caches[arm.learned_from], steps, seed)
        point = {"steps": steps, "cpu_s": round(found["cpu_s"], 1)}
        found["points"].append(point | questions.ask(run, caches))
        _write(path, found | {"machine": machine.describe()})
        sys.stdout.write(f"{arm.name} seed {seed}: {steps} steps, {found['cpu_s']:.0f} CPU s\n")
        sys.stdout.flush()
    for question, ask in further(arm, run, caches, seed, given.corpus).items():
        if question not in found:
            found[question] = ask()
            _write(path, found | {"machine": machine.describe()})


def further(
    arm: Arm, run: Path, caches: dict[str, Path], seed: int, corpus: Path
) -> dict[str, Callable[[], Any]]:
    """The questions that were added, of a finished run: what they cost decides of which arms."""
    opened = questions.sources(caches)
    looks = functools.cache(lambda: questions.looks_of_all(run, opened, seed, arm))
    asked: dict[str, Callable[[], Any]] = {}
    if arm.name in arms.TRANSFER_OF:
        asked["transfer"] = lambda: transfer.answers(looks(), caches, opened)
        asked["artists"] = lambda: artists.answers(looks(), opened, corpus)
    if arm.name == "full":
        asked["fine_tuned"] = lambda: fine_tuned.answers(run, caches, opened, seed)
    if arm.name in ("full", "without_person"):
        asked["person_view"] = lambda: person_view.answers(run, corpus, seed)
    return asked


def _beside(out: Path, seed: int, arm: Arm) -> dict[str, Any] | None:
    """What stands beside every arm of this seed and size, where one of it was measured already."""
    for path in sorted((out / "learning").glob(f"*-seed{seed}.json")):
        other: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if arms.get(other["arm"]).overrides.get(DEPTH) == arm.overrides.get(DEPTH):
            found: dict[str, Any] = other["beside"]
            return found
    return None


def _empty(arm: Arm, seed: int) -> dict[str, Any]:
    return {"arm": arm.name, "what": arm.what, "seed": seed, "cpu_s": 0.0, "points": []}


def _next(done: int, spent: float, budget: float, first: int) -> int:
    """Steps of the next point: twice as many, or as many as the budget still buys."""
    if not done:
        return first
    affordable = int((budget - spent) / (spent / done))
    return done + min(done, affordable)


def train(arm: Arm, run: Path, cache: Path, steps: int, seed: int) -> float:
    """CPU seconds of `uniemox pretrain` from where the RUN is to `steps`."""
    settings = arm.overrides | {
        "optim.schedule": "constant",
        "optim.warmup_steps": str(WARMUP),
        "optim.cooldown_share": "0.0001",  # a point is on the way, not an end
        "system.save_every": "250",
        "log.tensorboard": "false",
        "system.threads": "1",  # not what a probe finds: every arm and seed the same
        "system.precision": "bf16",
    }
    command = [sys.executable, "-m", "pretrain.cli", "pretrain", RECIPE, "--data", str(cache)]
    command += ["--out", str(run), "--steps", str(steps), "--seed", str(seed)]
    command += [word for key, value in settings.items() for word in (f"--{key}", value)]
    before = _cpu_s()
    ended = subprocess.run(command, env=os.environ | {"HF_DATASETS_OFFLINE": "1"}, check=False)
    if ended.returncode:
        raise Emo8Error(f"{' '.join(command[2:])} ended with {ended.returncode}; see above")
    return _cpu_s() - before


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _write(path: Path, found: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
