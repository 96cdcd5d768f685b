"""`python -m benchmarks.lab.gpu --views views.safetensors --minutes 12 --out gpu.json`

Builds nothing; needs torch, timm, numpy, safetensors and a views cache with teacher features, made
elsewhere: `uniemox cache DATA --recipe b16 --data.store_side_px 144 --out views.safetensors`. A
part that fails is told in its place and the others go on. `--dry-run` does everything with tiny
sizes, on a CPU too: its numbers mean nothing. Exit 1 where a part failed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.lab import machine
from benchmarks.lab.gpu import arms, checks, figure, timing
from pretrain.config.overrides import override
from pretrain.config.settings import PretrainConfig
from pretrain.data.cache import read_file

SPENT_ON_SPEED = 0.3  # of the minutes: variants and batch sizes


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every part was done."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--views", type=Path, required=True, help="file of `uniemox cache`")
    parser.add_argument("--vectors", type=Path, help="reference vectors, to check the maths")
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--held-out", default="val", help="split of the cache to ask about")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    given = parser.parse_args(argv)
    found = run(given)
    given.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    given.out.with_suffix(".svg").write_text(figure.draw(found["arms"]), "utf-8")
    failed = [name for name, part in found.items() if isinstance(part, dict) and "error" in part]
    sys.stdout.write(f"{given.out}: {len(failed)} parts failed {failed or ''}\n")
    return 1 if failed else 0


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Every part in turn."""
    began, device = time.monotonic(), torch.device(given.device)
    size, model, batch = ("tiny", "ti16", 2) if given.dry_run else ("s", "b16", 128)
    budget = 60 * given.minutes
    teacher = read_file(given.views)[1]["teacher"]["name"]
    smoke = ["--teacher.name", teacher, "--system.device", device.type]
    found: dict[str, Any] = {
        "machine": machine.describe(),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "minutes": given.minutes,
        "dry_run": given.dry_run,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def part(key: str, work: Callable[[], dict[str, Any]]) -> None:
            started = time.monotonic()
            try:
                found[key] = work()
            except Exception as problem:
                found[key] = {"error": str(problem), "where": traceback.format_exc()[-800:]}
            found[key]["took_s"] = round(time.monotonic() - started, 1)

        part("vectors", lambda: checks.vectors(given.vectors))
        part("resume", lambda: checks.resume(given.views, folder / "resume", smoke))
        part("precisions", lambda: checks.precisions("tiny" if given.dry_run else "s", device))
        half = SPENT_ON_SPEED * budget / 2
        part("variants", lambda: timing.variants(model, batch, device, half))
        largest = 16 if given.dry_run else 2048
        part("batches", lambda: timing.batches(model, device, half, largest=largest))
        left = max(1.0, budget - (time.monotonic() - began))
        config = arm_config(size, teacher, device)
        part("arms", lambda: arms.train(config, given.views, folder, left, given.held_out))
    return found


def arm_config(size: str, teacher: str, device: torch.device) -> PretrainConfig:
    """What the arms share."""
    config = override(checks.sized(size), {"teacher.name": teacher, "system.precision": "bf16"})
    system = dataclasses.replace(
        config.system, device=device.type, compile=device.type == "cuda" and size != "tiny"
    )
    data = dataclasses.replace(config.data, num_workers=0)
    if size != "tiny":
        data = dataclasses.replace(data, batch_size=256)
    return dataclasses.replace(config, system=system, data=data)


if __name__ == "__main__":
    sys.exit(main())
