"""A run for some minutes, killed in the middle and resumed: throughput, MFU, data wait, memory.

    uniemox cache DATA --out views.safetensors --recipe b16
    python -m benchmarks.speed pretrain_gpu --data views.safetensors --minutes 5 --out out.json

Starts `uniemox pretrain` as its user does, ends it by kill -9 after a third of the time, gives the
same command again, and stops it by SIGTERM at the end, which must exit with 0. Needs what training
from a cache needs: torch, timm, numpy, safetensors. The first steps after each start (loading,
compiling) do not count.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.lab.output import tell

WARM_UP = 10  # steps after each start that are left out
POLL_S = 0.2


def start(recipe: str, data: str, run: Path, settings: Sequence[str]) -> subprocess.Popen[bytes]:
    """The training command, its messages going where ours go."""
    command = [sys.executable, "-m", "pretrain.cli", "pretrain", recipe]
    command += ["--data", data, "--out", str(run), *settings]
    return subprocess.Popen(command, stdout=sys.stderr)


def read(run: Path) -> list[dict[str, Any]]:
    """The whole lines of a run's log."""
    path = run / "metrics.jsonl"
    text = path.read_text("utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def train_for(process: subprocess.Popen[bytes], run: Path, seconds: float, least: int) -> int:
    """The last step, `seconds` after the first new one and at least `least` steps further on."""
    before = len(read(run))
    began: float | None = None
    while process.poll() is None:
        lines = read(run)
        new = len(lines) - before
        if new > 0 and began is None:
            began = time.monotonic()
        if began is not None and time.monotonic() - began >= seconds and new >= least:
            return int(lines[-1]["step"])
        time.sleep(POLL_S)
    raise SystemExit(f"the run ended by itself with {process.returncode}; see its messages above")


def summary(lines: Sequence[dict[str, Any]], warm_up: int) -> dict[str, Any]:
    """Medians over the steps that count, and the share of time spent waiting for data."""
    steps: list[dict[str, Any]] = []
    since = 0
    for line in lines:
        since = 0 if "resumed_from" in line else since + 1
        if "step" in line and since > warm_up:
            steps.append(line)
    times = [line["timing"] for line in steps]
    waited = sum(found["data_s"] for found in times)
    total = sum(found["data_s"] + found["step_s"] + found["save_s"] for found in times)
    found = {
        "steps": len(steps),
        "images_s": statistics.median(found["images_s"] for found in times),
        "step_s": statistics.median(found["step_s"] for found in times),
        "data_wait_share": waited / total,
        "save_share": sum(found["save_s"] for found in times) / total,
    }
    for name in ("mfu", "memory_mib"):
        values = [found[name] for found in times if name in found]
        found[name] = max(values) if name == "memory_mib" and values else None
        if name == "mfu" and values:
            found[name] = statistics.median(values)
    return {
        name: round(value, 5) if isinstance(value, float) else value
        for name, value in found.items()
    }


def measure(
    recipe: str, data: str, run: Path, minutes: float, settings: Sequence[str], least: int
) -> dict[str, Any]:
    """What a killed and resumed run shows."""
    seconds = 60 * minutes
    process = start(recipe, data, run, settings)
    killed_at = train_for(process, run, seconds / 3, least)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process = start(recipe, data, run, settings)
    train_for(process, run, 2 * seconds / 3, least)
    process.send_signal(signal.SIGTERM)
    exit_code = process.wait()
    lines = read(run)
    return {
        "recipe": recipe,
        "settings": list(settings),
        **summary(lines, min(WARM_UP, least - 1)),
        "killed_after_step": killed_at,
        "resumed_from": [line["resumed_from"] for line in lines if "resumed_from" in line],
        "steps_in_order": [x["step"] for x in lines if "step" in x]
        == list(range(1, 1 + sum("step" in x for x in lines))),
        "exit_code_after_sigterm": exit_code,
        "last_loss": next(x["loss"] for x in reversed(lines) if "step" in x),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True, help="a file of `uniemox cache`")
    parser.add_argument("--recipe", default="b16")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training, starts excluded")
    parser.add_argument("--least-steps", type=int, default=30, help="of each start")
    parser.add_argument("--out", type=Path, required=True)
    arguments, settings = parser.parse_known_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(
            arguments.recipe,
            arguments.data,
            Path(folder) / "RUN",
            arguments.minutes,
            settings,
            arguments.least_steps,
        )
    tell(found, arguments.out)
    good = found["exit_code_after_sigterm"] == 0 and found["steps_in_order"]
    return 0 if good and found["resumed_from"] else 1


if __name__ == "__main__":
    sys.exit(main())
