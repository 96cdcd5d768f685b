"""The full step of the small regime, pictures per CPU second, against an older checkout of ours.

    python -m benchmarks.speed --only small_step --views VIEWS --peer CHECKOUT
    python -m benchmarks.lab.speed.small_step --views VIEWS --peer CHECKOUT --patches 8 16

Both train the study's recipe from one cache of views by the command a user gives. Short and long
runs are interleaved; what a step costs is their difference, so loading, measuring and compiling
drop out. The machine's load meets both alike. Losses must be the same. Exit 1 where they are not.
Beside the ratio stands its bound: what it were if the matrix products of our step, timed alone on
one thread in the same run, were all of our step.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.lab.output import tell

RECIPE = "claim"  # the old name: both know it
BATCH = 64
SAME = 0.02  # of a loss, relative: another precision and another order of sums
HERE = Path(__file__).resolve().parents[3]


def run(checkout: Path, views: Path, out: Path, steps: int, settings: Sequence[str]) -> float:
    """CPU seconds of a whole run of so many steps, as `uniemox pretrain` in that checkout."""
    python = checkout / ".venv" / "bin" / "python"
    command = [str(python) if python.exists() else sys.executable, "-m", "pretrain.cli"]
    command += ["pretrain", RECIPE, "--data", str(views), "--out", str(out), *settings]
    command += ["--steps", str(steps), "--optim.schedule", "constant", "--optim.warmup_steps", "2"]
    command += ["--system.save_every", "100000", "--log.tensorboard", "false"]
    before = _cpu_s()
    done = subprocess.run(
        command, cwd=checkout, env=os.environ | {"HF_HUB_OFFLINE": "1"}, capture_output=True
    )
    if done.returncode:
        raise SystemExit(f"{checkout}: {done.stderr.decode()[-2000:]}")
    return _cpu_s() - before


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(
    peer: Path, views: Path, patch: int, *, short: int, long: int, rounds: int
) -> dict[str, Any]:
    """Pictures per CPU second of both, their ratio per round, losses and the wait for data."""
    settings = ["--model.patch_size", str(patch)]
    with tempfile.TemporaryDirectory() as folder:
        chosen = _chosen(views, Path(folder), settings)
        ours = [*settings, "--system.precision", chosen[0], "--system.threads", str(chosen[1])]
        sides = {"peer": (peer, settings), "ours": (HERE, ours)}
        per_s: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(rounds):
            cpu: dict[tuple[str, int], float] = {}
            for steps in (short, long):
                for name, (checkout, given) in sides.items():
                    out = Path(folder) / f"{name}-{steps}-{number}"
                    cpu[name, steps] = run(checkout, views, out, steps, given)
            for name in sides:
                took = cpu[name, long] - cpu[name, short]
                per_s[name].append(BATCH * (long - short) / took)
        logs = {name: _steps(Path(folder) / f"{name}-{long}-{rounds - 1}") for name in sides}
    ratios = [a / b for a, b in zip(per_s["ours"], per_s["peer"], strict=True)]
    peer_step_s = BATCH / statistics.median(per_s["peer"])
    return {
        "patch": patch,
        "precision": chosen[0],
        "threads": chosen[1],
        "pictures_per_cpu_s": {n: round(statistics.median(v), 1) for n, v in per_s.items()},
        "ratio": round(statistics.median(ratios), 2),
        "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
        "bound": round(peer_step_s / products_alone(views, patch, chosen[0]), 2),
        "largest_loss_difference": round(_difference(logs), 5),
        "data_wait_share": round(_waiting(logs["ours"]), 4),
    }


def _chosen(views: Path, folder: Path, settings: Sequence[str]) -> tuple[str, int]:
    """Precision and threads that a run of ours chooses here."""
    run(HERE, views, folder / "chosen", 1, settings)
    system = json.loads((folder / "chosen" / "config.json").read_text("utf-8"))["config"]["system"]
    return system["precision"], system["threads"]


def products_alone(views: Path, patch: int, precision: str) -> float:
    """Seconds of the matrix products of one step of ours, on one thread."""
    import torch

    from benchmarks.lab.speed import products
    from pretrain.config import recipes
    from pretrain.config.overrides import override
    from pretrain.data.cache import read_file
    from pretrain.step import random_batch
    from pretrain.teacher import CachedTeacher
    from pretrain.train.parallelize import World
    from pretrain.train.step import make_state, train_step

    torch.set_num_threads(1)
    tensors, facts = read_file(views)
    settings = {"model.patch_size": str(patch), "system.precision": precision}
    config = override(recipes.get(RECIPE), settings | {"teacher.features": "cached"})
    world = World(rank=0, size=1, device=torch.device("cpu"))
    teacher = CachedTeacher(facts["teacher"])
    state = make_state(config, world, teacher, tensors["text_features"][:BATCH])
    batch = random_batch(config, teacher.dim)
    return products.seconds(lambda: train_step(state, [batch], config.optim.lr))


def _steps(run_folder: Path) -> list[dict[str, Any]]:
    lines = (run_folder / "metrics.jsonl").read_text("utf-8").splitlines()
    return [line for line in map(json.loads, lines) if "losses" in line]


def _difference(logs: dict[str, list[dict[str, Any]]]) -> float:
    """The largest relative difference of a loss at equal rows; infinite where rows differ."""
    worst = 0.0
    for mine, theirs in zip(logs["ours"], logs["peer"], strict=True):
        if mine["rows"] != theirs["rows"]:
            return float("inf")
        for name, value in theirs["losses"].items():
            worst = max(worst, abs(mine["losses"][name] - value) / abs(value))
    return worst


def _waiting(lines: list[dict[str, Any]]) -> float:
    """Share of the time after the first steps in which the step waited for its batch."""
    timed = [line["timing"] for line in lines[3:]]
    waited = sum(t["data_s"] for t in timed)
    return float(waited / max(1e-9, sum(t["data_s"] + t["step_s"] for t in timed)))


def main(argv: Sequence[str] | None = None) -> int:
    """0 when the losses are the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--views", type=Path, required=True, help="file of `uniemox cache`")
    parser.add_argument("--peer", type=Path, required=True, help="an older checkout")
    parser.add_argument("--patches", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--short", type=int, default=4)
    parser.add_argument("--long", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(argv)
    found = [
        measure(given.peer.resolve(), given.views.resolve(), patch, short=given.short,
                long=given.long, rounds=given.rounds)
        for patch in given.patches
    ]  # fmt: skip
    tell({"batch": BATCH, "steps": [given.short, given.long], "regimes": found}, given.out)
    return 0 if all(one["largest_loss_difference"] <= SAME for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
