"""GFLOP of one training step, each variant against the paper's public step.

    python -m benchmarks.speed step_flops

ViT-B/16, batch 8, mask 0.9, counted by `torch.utils.flop_counter` with math attention and without
the fused path of `nn.MultiheadAttention`, so that every product is seen. Tensors are on the
device "meta": the real step runs on shapes alone, so the count takes seconds. First the counting
itself is checked on parts whose cost is known. Exit 1 when a check or a target is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.lab.output import tell
from benchmarks.lab.speed import public_step
from benchmarks.lab.speed.targets import STEP_GFLOP
from pretrain.step import build

MODEL, BATCH = "b16", 8


@dataclass(frozen=True, kw_only=True)
class FlopsLine:
    """One counted step or part."""

    name: str
    gflop: float
    wanted: str  # in words
    passed: bool
    ratio: float | None = None  # over the public step


def count_gflop(make: Callable[[], Callable[[], Any]]) -> float:
    """GFLOP (a multiply and an add are two) of one call of what `make` gives."""
    with torch.device("meta"):
        work = make()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            work()
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops() / 1e9


def check_counting() -> list[FlopsLine]:
    """The parts whose cost is known: both teacher towers and the whole public step."""

    def image() -> Callable[[], Any]:
        return partial(public_step.teacher_image(), torch.zeros(BATCH, 3, 224, 224))

    def text() -> Callable[[], Any]:
        tokens = torch.zeros(BATCH, public_step.TEXT_TOKENS, dtype=torch.int64)
        return partial(public_step.teacher_text(), tokens)

    step = partial(public_step.build, model=MODEL, batch=BATCH, device="meta")
    return [
        _near("teacher image", count_gflop(image), 281.0, 1.0),
        _near("teacher text", count_gflop(text), 47.7, 0.5),
        _near("public step", count_gflop(step), 843.0, 5.0),
    ]


def count_variants(public_gflop: float) -> list[FlopsLine]:
    """Our step in each variant, against its target."""
    lines = []
    for variant, most in STEP_GFLOP.items():
        gflop = count_gflop(partial(build, variant, model=MODEL, batch=BATCH, device="meta"))
        line = FlopsLine(
            name=variant,
            gflop=gflop,
            wanted=f"at most {most:g}",
            passed=gflop <= most,
            ratio=gflop / public_gflop,
        )
        lines.append(line)
    return lines


def _near(name: str, gflop: float, wanted: float, tolerance: float) -> FlopsLine:
    passed = abs(gflop - wanted) <= tolerance
    return FlopsLine(name=name, gflop=gflop, wanted=f"{wanted:g} +- {tolerance:g}", passed=passed)


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every check and target is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument("--out", type=Path, help="write all of it there as JSON")
    arguments = parser.parse_args(argv)
    lines = check_counting()
    if all(line.passed for line in lines):  # counts mean nothing when the counting is off
        lines += count_variants(lines[-1].gflop)
    if arguments.out:
        tell(
            {"model": MODEL, "batch": BATCH, "lines": [vars(line) for line in lines]}, arguments.out
        )
        return 0 if all(line.passed for line in lines) else 1
    for line in lines:
        if arguments.json:
            sys.stdout.write(json.dumps(vars(line)) + "\n")
            continue
        ratio = "" if line.ratio is None else f"{line.ratio:6.3f}x of the public step"
        verdict = "ok  " if line.passed else "MISS"
        sys.stdout.write(
            f"{verdict} {line.name:15} {line.gflop:7.1f} GFLOP  {line.wanted:12} {ratio}\n"
        )
    return 0 if all(line.passed for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
