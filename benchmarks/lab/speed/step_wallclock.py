"""Wall-clock of one training step on this machine: bf16 variants against the paper's public step.

    python -m benchmarks.speed step_wallclock --rounds 7 --batch 8

Each has a process of its own, set up as its user's would be: the peer in fp32 as published, ours as
`uniemox pretrain` is. Rounds are interleaved (peer, then every variant, in each round), so that a
load that comes and goes meets all alike; what is reported is the median over rounds of peer seconds
/ our seconds, and beside it the bound: what the ratio were if our matrix products, timed alone in
the same process, were all of our step. Exit 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from benchmarks.lab.output import tell
from benchmarks.lab.speed.targets import STEP_TIMES
from pretrain.train.quiet import keep_freed, wait_quietly

PUBLIC = "public"


def measure(model: str, batch: int, rounds: int, device: str) -> dict[str, Any]:
    """Medians of seconds and of ratios over the rounds, and the bounds."""
    names = [PUBLIC, *STEP_TIMES]
    workers = {name: _Worker(name, model, batch, device) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, worker in workers.items():
            seconds[name].append(worker.ask("step"))
    alone = {name: workers[name].ask("products") for name in names}
    for worker in workers.values():
        worker.end()
    ratios = {
        name: [peer / ours for peer, ours in zip(seconds[PUBLIC], seconds[name], strict=True)]
        for name in STEP_TIMES
    }
    typical = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "model": model,
        "batch": batch,
        "rounds": rounds,
        "device": device,
        "threads": len(os.sched_getaffinity(0)),
        "seconds": {name: round(value, 4) for name, value in typical.items()},
        "products_alone_s": {name: round(value, 4) for name, value in alone.items()},
        "ratio": {name: round(statistics.median(r), 2) for name, r in ratios.items()},
        "ratio_range": {name: [round(min(r), 2), round(max(r), 2)] for name, r in ratios.items()},
        "bound": {n: round(typical[PUBLIC] / max(1e-9, alone[n]), 2) for n in STEP_TIMES},
    }


class _Worker:
    """A process that holds one step and runs it when it is told to."""

    def __init__(self, name: str, model: str, batch: int, device: str) -> None:
        command = [sys.executable, "-m", "benchmarks.lab.speed.step_wallclock", "--worker", name]
        command += ["--model", model, "--batch", str(batch), "--device", device]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.ask("step")  # the first call allocates and makes the optimizer's state

    def ask(self, what: str) -> float:
        """Seconds of one "step", or of its "products" alone."""
        into, out = self._process.stdin, self._process.stdout
        assert into is not None and out is not None
        into.write(f"{what}\n")
        into.flush()
        return float(out.readline())

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def work(name: str, model: str, batch: int, device: str, asked: IO[str]) -> None:
    """Answer each line of `asked` with seconds."""
    if name != PUBLIC:
        wait_quietly()
        keep_freed()
    from benchmarks.lab.speed import products, public_step
    from pretrain.step import build

    step: Callable[[], Any]
    if name == PUBLIC:
        step = public_step.build(model=model, batch=batch, device=device)
    else:
        step = build(name, model=model, batch=batch, device=device, precision="bf16")
    for line in asked:
        if line.strip() == "products":
            took = products.seconds(step) if device == "cpu" else 0.0
        else:
            took = _timed(step, device)
        sys.stdout.write(f"{json.dumps(took)}\n")
        sys.stdout.flush()


def _timed(step: Callable[[], Any], device: str) -> float:
    import torch

    start = time.perf_counter()
    step()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every ratio reaches its target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="b16", choices=("ti16", "s16", "b16", "l16"))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.worker:
        work(given.worker, given.model, given.batch, given.device, sys.stdin)
        return 0
    found = measure(given.model, given.batch, given.rounds, given.device)
    tell(found, given.out)
    return 0 if all(found["ratio"][name] >= least for name, least in STEP_TIMES.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
