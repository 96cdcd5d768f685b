"""The training loop, readable alone.

    uniemox pretrain cpu_demo --data DATASET --out RUN
    torchrun --nproc-per-node 8 -m pretrain.cli pretrain b16 --data DATASET --out RUN

The same command on an unfinished RUN continues it; on a finished one it does nothing.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pretrain import checkpoint, parallel, weights
from pretrain.batches import Batch, training_batches
from pretrain.cache import MemorySource, open_source
from pretrain.config import (
    PretrainConfig,
    as_dict,
    differences,
    resolve_features,
    resolve_steps,
)
from pretrain.data import Source, fingerprint
from pretrain.memory import remember
from pretrain.metrics import MetricsLog, rows_hash
from pretrain.optim import learning_rate
from pretrain.parallel import World
from pretrain.step import TrainState, make_state, train_step
from pretrain.teacher import Teacher, cached_text_features, describe, load_teacher

logger = logging.getLogger(__name__)

PACKAGES = ("emo8", "torch", "timm", "numpy", "safetensors", "open_clip_torch", "datasets")
PROGRESS_EVERY_S = 10.0


def pretrain(config: PretrainConfig, data: str, out: Path) -> int:
    """The number of steps that this call ran; 0 when RUN was already finished."""
    with parallel.world(config.system.device) as world:
        config = weights.resolve_license(config)
        source, config = open_training(config, data, world)
        teacher, text_features = open_teacher(config, source, out, world)
        claim_run(out, config, source, teacher, data, world)
        if world.is_main:
            remember(source, out)
        torch.manual_seed(config.seed + world.rank)
        state = make_state(config, world, teacher, text_features)
        done = checkpoint.resume(out, state.model, state.optimizer)
        if not done and config.init.weights:
            weights.start_from(state.model, config.init)
        if done >= config.steps:
            logger.info("%s is finished: %d steps", out, done)
            return 0
        log = start_log(out, done, world)
        run_steps(state, source, out, log, first_step=done + 1)
        return config.steps - done


def run_steps(
    state: TrainState, source: Source, out: Path, log: MetricsLog, *, first_step: int
) -> None:
    """Trains from `first_step` to the last step, logging each, saving every so often."""
    config, world = state.config, state.world
    global_batch = config.data.batch_size * world.size
    logger.info("%d rows, %d per step, %d steps", len(source.ids), global_batch, config.steps)
    batches = training_batches(
        source, config, first_step=first_step, rank=world.rank, num_ranks=world.size
    )
    shown_at = time.monotonic()
    state.network.train()
    for step in range(first_step, config.steps + 1):
        started = time.perf_counter()
        batch = next(batches).to(world.device)
        loaded = time.perf_counter()
        rate = learning_rate(
            step, steps=config.steps, global_batch=global_batch, config=config.optim
        )
        losses = train_step(state, batch, rate)
        line = step_line(step, rate, losses, batch, world)
        finished = time.perf_counter()
        line["timing"] = {
            "data_s": round(loaded - started, 5),
            "step_s": round(finished - loaded, 5),
        }
        if world.is_main:
            log.write(line)
        check_finite(line, batch)
        if step % config.system.save_every == 0 or step == config.steps:
            save_checkpoint(state, out, step)
        if time.monotonic() - shown_at > PROGRESS_EVERY_S or step == config.steps:
            shown_at = time.monotonic()
            show_progress(line, config.steps, global_batch)


def step_line(
    step: int, rate: float, losses: dict[str, Tensor], batch: Batch, world: World
) -> dict[str, Any]:
    """The line of metrics.jsonl: losses are means over all processes."""
    names = list(losses)
    values = parallel.mean_over_ranks(torch.stack([losses[name].float() for name in names]), world)
    found = dict(zip(names, values.tolist(), strict=True))
    seen = parallel.gather_objects((batch.ids, batch.skipped), world)
    skipped = [row_id for _, ids in seen for row_id in ids]
    line: dict[str, Any] = {
        "step": step,
        "loss": found.pop("total"),
        "losses": {name: found[name] for name in losses if name.startswith("L")},
        "lr": rate,
        "grad_norm": found["grad_norm"],
        "rows": rows_hash([row_id for ids, _ in seen for row_id in ids]),
    }
    return {**line, "skipped": skipped} if skipped else line


def check_finite(line: dict[str, Any], batch: Batch) -> None:
    """Raises when a loss is NaN or infinite, naming the rows, before it is saved."""
    if not math.isfinite(line["loss"]):
        rows = ", ".join(batch.ids[:8])
        raise ValueError(
            f"step {line['step']}: loss is {line['loss']} (losses {line['losses']}); rows {rows}, …"
            " Lower --optim.lr or use --system.precision fp32; the checkpoint before is kept."
        )


def save_checkpoint(state: TrainState, out: Path, step: int) -> None:
    """RUN/last is this step, on every process's return."""
    if state.world.is_main:
        checkpoint.save(
            out, step=step, config=state.config, model=state.model, optimizer=state.optimizer
        )
    parallel.barrier(state.world)


def show_progress(line: dict[str, Any], steps: int, global_batch: int) -> None:
    """One log line for people."""
    took = sum(line["timing"].values())
    left_s = (steps - line["step"]) * took
    losses = "  ".join(f"{name} {value:.3f}" for name, value in line["losses"].items())
    logger.info(
        "step %d/%d  %s  %.0f images/s  %.0f s left",
        line["step"],
        steps,
        losses,
        global_batch / took,
        left_s,
    )


def open_training(config: PretrainConfig, data: str, world: World) -> tuple[Source, PretrainConfig]:
    """The train split, and the config with everything decided that depends on it."""
    source = open_source(data, config.data.split, config)
    if source.skipped:
        logger.warning("%d rows do not decode and are left out", len(source.skipped))
    is_cache = isinstance(source, MemorySource) and source.teacher is not None
    config = resolve_features(config, from_cache=is_cache)
    return source, resolve_steps(config, len(source.ids), world.size)


def open_teacher(
    config: PretrainConfig, source: Source, folder: Path, world: World
) -> tuple[Teacher, Tensor]:
    """The teacher, and unit features of the source's texts, computed once and kept in RUN/cache."""
    if config.teacher.features == "cached":
        assert isinstance(source, MemorySource) and source.teacher is not None
        assert source.text_features is not None
        return source.teacher, source.text_features
    teacher = load_teacher(config.teacher, world.device)
    return teacher, cached_text_features(teacher, source.texts, folder / "cache")


def claim_run(
    out: Path, config: PretrainConfig, source: Source, teacher: Teacher, data: str, world: World
) -> None:
    """Writes RUN/config.json, or checks that the one there is of this very run."""
    path = out / "config.json"
    facts = {
        "config": as_dict(config),
        "dataset": {
            "data": data,
            "fingerprint": fingerprint(source),
            "rows": len(source.ids),
            "skipped": source.skipped,
        },
        "teacher": describe(teacher),
        "licenses": {"init": config.init.license or None, "teacher": describe(teacher)["license"]},
        "packages": installed_versions(),
        "processes": world.size,
    }
    if path.exists():
        check_same_run(path, facts)
    elif world.is_main:
        foreign = [p.name for p in out.iterdir() if p.name != "cache"] if out.exists() else []
        if foreign:
            raise ValueError(f"--out {out}: holds {foreign[0]!r} and no run; choose another folder")
        out.mkdir(parents=True, exist_ok=True)
        half_written = path.with_suffix(".tmp")
        half_written.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
        half_written.replace(path)
    parallel.barrier(world)


def check_same_run(path: Path, facts: dict[str, Any]) -> None:
    """ValueError that lists what differs when the run at `path` is another one."""
    before = json.loads(path.read_text("utf-8"))
    found = differences(_identity(before), _identity(facts))
    if found:
        raise ValueError(
            f"--out {path.parent} holds another run ({'; '.join(found)}); "
            "choose another folder or give that run's settings"
        )


def _identity(facts: dict[str, Any]) -> dict[str, Any]:
    """What must not change within a run: not the device, nor how often it saves."""
    settings = {name: value for name, value in facts["config"].items() if name != "system"}
    settings["system.precision"] = facts["config"]["system"]["precision"]
    return {
        "config": settings,
        "dataset": facts["dataset"]["fingerprint"],
        "teacher": facts["teacher"]["sha256"],
        "processes": facts["processes"],
    }


def start_log(out: Path, done: int, world: World) -> MetricsLog:
    """RUN/metrics.jsonl, rewound to the checkpoint when a run resumes."""
    log = MetricsLog(out / "metrics.jsonl")
    if world.is_main and log.path.exists():
        log.rewind(done)
        log.write({"resumed_from": done})
        logger.info("resumed from step %d", done)
    return log


def installed_versions() -> dict[str, str]:
    """{package: version} of those that shape a run and are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def with_run_options(
    config: PretrainConfig, *, steps: int | None, seed: int | None
) -> PretrainConfig:
    """`config` with `--steps` and `--seed` applied where given."""
    if steps is not None:
        config = dataclasses.replace(config, steps=steps, epochs=0.0)
    return config if seed is None else dataclasses.replace(config, seed=seed)
