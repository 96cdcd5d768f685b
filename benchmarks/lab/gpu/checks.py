"""Is it right here: reference vectors, resume, compiled against eager, bf16 against fp32."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from pretrain.config import recipes
from pretrain.config.overrides import override
from pretrain.config.settings import PretrainConfig
from pretrain.data.batches import Batch
from pretrain.step import random_batch
from pretrain.teacher import CachedTeacher
from pretrain.train import step
from pretrain.train.loop import pretrain
from pretrain.train.parallelize import World

DIM = 128  # of a teacher that only has to be there
STEPS = 4


def vectors(path: Path | None) -> dict[str, Any]:
    """The largest difference from reference vectors."""
    from pretrain import conformance

    if path is None:
        return {"left_out": "no --vectors FILE"}
    found = conformance.compare(path)
    return {"largest_difference": max(found.values()), "tensors": len(found)}


def resume(views: Path, folder: Path, settings: Sequence[str]) -> dict[str, Any]:
    """A run cut in the middle ends as the whole one: bit for bit where the device repeats."""
    config = override(recipes.cpu_smoke(), _dotted(settings))
    config = dataclasses.replace(
        config,
        steps=2 * STEPS,
        system=dataclasses.replace(config.system, deterministic=True, save_every=STEPS),
    )
    whole, cut = folder / "whole", folder / "cut"
    pretrain(config, str(views), whole)
    pretrain(config, str(views), cut)
    shutil.rmtree(cut / "last")
    (cut / "checkpoints" / f"step-{STEPS:08d}").rename(cut / "last")
    pretrain(config, str(views), cut)
    same = [
        (whole / "last" / name).read_bytes() == (cut / "last" / name).read_bytes()
        for name in ("model.safetensors", "training.safetensors")
    ]
    torch.use_deterministic_algorithms(False)
    return {"bit_for_bit": all(same)}


def precisions(size: str, device: torch.device) -> dict[str, Any]:
    """Relative difference of the losses of the same steps, from eager fp32; compiled on a GPU."""
    base = _losses(size, device, precision="fp32", compiled=False)
    variants = {"bf16": _losses(size, device, precision="bf16", compiled=False)}
    if device.type == "cuda":  # on a CPU a compiler would be needed, and minutes
        variants["compiled"] = _losses(size, device, precision="fp32", compiled=True)
    return {
        name: round(max(abs(a - b) / abs(b) for a, b in zip(found, base, strict=True)), 6)
        for name, found in variants.items()
    }


def _losses(size: str, device: torch.device, *, precision: str, compiled: bool) -> list[float]:
    """Total loss of some steps from one start on one batch."""
    config = sized(size)
    system = dataclasses.replace(config.system, precision=precision, compile=compiled)
    config = dataclasses.replace(config, system=system)
    state, batch = prepared(config, device)
    return [float(step.train_step(state, [batch], 1e-4)["total"]) for _ in range(STEPS)]


def prepared(config: PretrainConfig, device: torch.device) -> tuple[step.TrainState, Batch]:
    """A fresh state and one random batch with features, always the same."""
    facts = {"name": "none", "sha256": "", "license": "", "dim": DIM, "logit_scale": 100.0}
    torch.manual_seed(0)
    batch = random_batch(config, DIM).to(device)
    texts = torch.nn.functional.normalize(torch.randn(config.data.batch_size, DIM), dim=-1)
    world = World(rank=0, size=1, device=device)
    state = step.make_state(config, world, CachedTeacher(facts), texts)
    state.network.train()
    return state, batch


def sized(size: str) -> PretrainConfig:
    """A config with cached features: "tiny" for a dry run, else a ViT of that size at 224 px."""
    if size == "tiny":
        return override(recipes.cpu_smoke(), {"teacher.features": "cached"})
    return override(
        recipes.b16(),
        {
            "teacher.features": "cached",
            "steps": "1",
            "data.batch_size": "32",
            **{f"model.{name}": str(value) for name, value in recipes.vit(size).items()},
        },
    )


def _dotted(settings: Sequence[str]) -> dict[str, str]:
    pairs = zip(settings[::2], settings[1::2], strict=True)
    return {name.removeprefix("--"): value for name, value in pairs}
