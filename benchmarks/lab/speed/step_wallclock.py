"""Wall-clock of one training step on this machine: bf16 variants against the paper's public step.

    python -m benchmarks.speed step_wallclock --rounds 7 --batch 8

Rounds are interleaved (peer, then every variant, in each round), so that a load that comes and goes
meets all alike; what is reported is the median over rounds of peer seconds / our seconds. The peer
runs in fp32, as the public code does. Exit 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.lab.output import tell
from benchmarks.lab.speed import public_step
from benchmarks.lab.speed.targets import STEP_TIMES
from pretrain.step import build


def measure(model: str, batch: int, rounds: int, device: str) -> dict[str, Any]:
    """Medians of seconds and of ratios over the rounds."""
    steps: dict[str, Callable[[], Any]] = {
        "public": public_step.build(model=model, batch=batch, device=device)
    }
    for variant in STEP_TIMES:
        steps[variant] = build(variant, model=model, batch=batch, device=device, precision="bf16")
    for step in steps.values():  # the first call allocates and makes the optimizer's state
        step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            seconds[name].append(_timed(step, device))
    ratios = {
        name: [peer / ours for peer, ours in zip(seconds["public"], seconds[name], strict=True)]
        for name in STEP_TIMES
    }
    return {
        "model": model,
        "batch": batch,
        "rounds": rounds,
        "device": device,
        "threads": torch.get_num_threads(),
        "seconds": {name: round(statistics.median(s), 4) for name, s in seconds.items()},
        "ratio": {name: round(statistics.median(r), 2) for name, r in ratios.items()},
        "ratio_range": {name: [round(min(r), 2), round(max(r), 2)] for name, r in ratios.items()},
    }


def _timed(step: Callable[[], Any], device: str) -> float:
    start = time.perf_counter()
    step()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every ratio reaches its target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="b16", choices=sorted(public_step.SIZES))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    found = measure(arguments.model, arguments.batch, arguments.rounds, arguments.device)
    tell(found, arguments.out)
    return 0 if all(found["ratio"][name] >= least for name, least in STEP_TIMES.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
