"""How fast a run is: images per second, share of the device's peak, time left."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Any

import torch

from pretrain.config.resolve import rows_per_step
from pretrain.config.settings import PretrainConfig
from pretrain.losses import needed_outputs
from pretrain.models.uniemox import build_model
from pretrain.train.parallelize import World

logger = logging.getLogger(__name__)

RECENT_STEPS = 50  # that time left and images per second are the mean of
# Dense tensor-core TFLOPS in half precision, and TFLOPS in fp32, from the vendor's data sheets
PEAKS = {
    "H100 PCIe": (756.0, 51.0),
    "H100": (989.0, 67.0),
    "H200": (989.0, 67.0),
    "A100": (312.0, 19.5),
    "L40S": (362.0, 91.6),
    "L4": (121.0, 30.3),
    "V100": (125.0, 15.7),
    "T4": (65.0, 8.1),
    "4090": (165.0, 82.6),
    "3090": (71.0, 35.6),
}


class Progress:
    """Times steps and tells people."""

    def __init__(self, config: PretrainConfig, world: World, *, teacher_dim: int) -> None:
        self._config, self._device = config, world.device
        self._rows = rows_per_step(config, world.size)
        self._recent: deque[float] = deque(maxlen=RECENT_STEPS)
        self._shown_at = time.monotonic()
        peak = peak_tflops(config, world.device) * 1e12 * world.size
        self._flops_per_s = peak or None
        self._flops = self._rows * flops_per_row(config, teacher_dim) if peak else 0.0

    def timing(self, data_s: float, step_s: float, save_s: float) -> dict[str, float]:
        """The `timing` field of a line: seconds of waiting for data, of the step, of saving
        before it; images per second; MFU where the device's peak is known.

        MFU as in Chowdhery et al. (2022), "PaLM", appendix B: only the model's own operations
        count, neither the teacher's nor recomputed ones.
        """
        took = data_s + step_s + save_s
        self._recent.append(took)
        found = {"data_s": data_s, "step_s": step_s, "save_s": save_s}
        found = {name: round(value, 5) for name, value in found.items()}
        found["images_s"] = round(self._rows / took, 2)
        if self._flops_per_s:
            found["mfu"] = round(self._flops / took / self._flops_per_s, 4)
        if self._device.type == "cuda":
            found["memory_mib"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
        return found

    def show(self, line: dict[str, Any]) -> None:
        """One log line for people, every `log.every_s` seconds and at the end."""
        steps, now = self._config.steps, time.monotonic()
        if now - self._shown_at < self._config.log.every_s and line["step"] < steps:
            return
        self._shown_at = now
        mean = sum(self._recent) / len(self._recent)
        losses = "  ".join(f"{name} {told(value)}" for name, value in line["losses"].items())
        mfu = f"  MFU {100 * line['timing']['mfu']:.0f}%" if "mfu" in line["timing"] else ""
        logger.info(
            "step %d/%d  %s  %.0f images/s%s  %s left",
            line["step"],
            steps,
            losses,
            self._rows / mean,
            mfu,
            duration((steps - line["step"]) * mean),
        )


def told(value: float | None) -> str:
    """A loss for people."""
    return "not finite" if value is None else f"{value:.3f}"


def duration(seconds: float) -> str:
    """For people: 45 s, 12 min, 3 h 20 min, 2 d 4 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def peak_tflops(config: PretrainConfig, device: torch.device) -> float:
    """TFLOPS that the device can do at most in the recipe's precision; 0 where unknown."""
    if config.log.peak_tflops or device.type != "cuda":
        return config.log.peak_tflops
    name = torch.cuda.get_device_name(device)
    half, full = next((peak for part, peak in PEAKS.items() if part in name), (0.0, 0.0))
    return full if config.system.precision == "fp32" else half


def flops_per_row(config: PretrainConfig, teacher_dim: int) -> float:
    """Floating-point operations of one row, forward and (twice as much) backward."""
    from torch.utils.flop_counter import FlopCounterMode

    size, patches = config.model.image_size, config.model.num_patches
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model = build_model(config.model, teacher_dim=teacher_dim, seed=0)
        model.set_outputs(**needed_outputs(config.loss))
        view, noise = torch.empty(1, 3, size, size), torch.empty(1, patches)
        model(view, view, noise, noise)
    return 3.0 * counter.get_total_flops()
