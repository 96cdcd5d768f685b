"""How fast is it here: steps of every variant, batch sizes, memory, share of the peak."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.lab.gpu.checks import prepared, sized
from pretrain.config.overrides import override
from pretrain.step import VARIANTS, build
from pretrain.train.progress import flops_per_row, peak_tflops
from pretrain.train.step import train_step

SIZES = {"ti16": "ti", "s16": "s", "b16": "b", "l16": "l"}


def variants(model: str, batch: int, device: torch.device, seconds: float) -> dict[str, Any]:
    """{variant: pictures a second, MFU, memory}, and the light decoder compiled."""
    each = seconds / (len(VARIANTS) + 1)
    found = {}
    precision = "bf16"
    for name in VARIANTS:
        step = build(name, model=model, batch=batch, device=str(device), precision=precision)
        found[name] = _rated(step, name, model, batch, device, each)
        del step
    step = compiled_step(model, batch, device)
    found["light_decoder_compiled"] = _rated(step, "light_decoder", model, batch, device, each)
    return found


def compiled_step(model: str, batch: int, device: torch.device) -> Callable[[], Any]:
    """The light decoder's step, compiled, features cached, bf16."""
    changes = VARIANTS["light_decoder"] | {"data.batch_size": str(batch)}
    changes |= {"system.precision": "bf16", "system.compile": str(device.type == "cuda").lower()}
    state, inputs = prepared(override(sized(SIZES[model]), changes), device)
    return lambda: train_step(state, [inputs], 1e-4)


def _rated(
    step: Callable[[], Any],
    name: str,
    model: str,
    batch: int,
    device: torch.device,
    seconds: float,
) -> dict[str, Any]:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    took = statistics.median(_timed(step, device, seconds))
    found: dict[str, Any] = {"step_s": round(took, 5), "images_s": round(batch / took, 1)}
    config = override(sized(SIZES[model]), VARIANTS[name] | {"system.precision": "bf16"})
    if peak := peak_tflops(config, device):
        flops = flops_per_row(config, 512) * batch
        found["mfu"] = round(flops / took / (peak * 1e12), 4)
    if device.type == "cuda":
        found["memory_mib"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
    return found


def _timed(step: Callable[[], Any], device: torch.device, seconds: float) -> Iterator[float]:
    """Seconds of steps until the time is over; the first two do not count."""
    ends = time.monotonic() + seconds
    for number in range(10_000):
        started = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number >= 2:
            yield time.perf_counter() - started
            if time.monotonic() > ends:
                return


def batches(model: str, device: torch.device, seconds: float, *, largest: int) -> dict[str, Any]:
    """{batch: pictures a second} of the light decoder, doubled until memory or gain ends."""
    found: dict[str, float] = {}
    ends, batch = time.monotonic() + seconds, 16
    while batch <= largest and time.monotonic() < ends:
        try:
            step = build("light_decoder", model=model, batch=batch, device=str(device),
                         precision="bf16")  # fmt: skip
            took = statistics.median(_timed(step, device, seconds / 16))
        except torch.OutOfMemoryError:
            break
        found[str(batch)] = round(batch / took, 1)
        batch *= 2
    return {"images_s": found, "best": max(found, key=found.__getitem__) if found else None}
