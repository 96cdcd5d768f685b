"""The training loop, readable alone.

    uniemox pretrain cpu_demo --data DATASET --out RUN
    torchrun --nproc-per-node 8 -m pretrain.cli pretrain b16 --data DATASET --out RUN

The same command on an unfinished RUN continues it; on a finished one it does nothing.
docs/training.md has the lines for several machines and for SLURM.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pretrain.config.resolve import resolve_features, resolve_losses, rows_per_step
from pretrain.config.settings import PretrainConfig, SystemConfig
from pretrain.data.batches import Batch, training_batches
from pretrain.data.cache import MemorySource, open_source
from pretrain.data.dataset import Source
from pretrain.data.streaming import StreamSource, is_stream, open_stream
from pretrain.losses import further_weights
from pretrain.losses.base import RESERVED
from pretrain.teacher import Teacher, cached_text_features, check_losses, load_teacher
from pretrain.train import checkpoints, parallelize, replay, run_folder, step
from pretrain.train.checkpoints import Saver, Score
from pretrain.train.guards import FiniteGuard, SpikeWatch, StopRequest, Watchdog
from pretrain.train.metrics import rows_hash
from pretrain.train.optim import learning_rate
from pretrain.train.parallelize import World
from pretrain.train.probes import Watch
from pretrain.train.progress import Progress
from pretrain.train.quiet import keep_freed
from pretrain.train.run_folder import RunIdentity, claim_run, fit_to_run, start_log
from pretrain.train.settle import settle
from pretrain.train.step import TrainState
from pretrain.train.trackers import Trackers
from pretrain.train.trained_on import remember
from pretrain.weights import init

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a call ended."""

    steps: int  # that this call ran; 0 when RUN was already finished
    done: int  # steps that RUN has now
    stopped_by: str = ""  # the signal that ended it before its last step


def pretrain(config: PretrainConfig, data: str, out: Path) -> Outcome:
    """Trains, or continues, until the last step or a signal."""
    if config.system.deterministic:
        parallelize.repeat_bit_for_bit()
    stop = StopRequest()
    with (
        parallelize.world(config.system) as world,
        stop.listening(),
        run_folder.held(out, world),
    ):
        config = resolve_losses(config, further_weights(), run_folder.losses_of(out))
        config = init.resolve_license(config)
        source, config = open_training(config, data, out, world)
        teacher, text_features = open_teacher(config, source, out, world)
        config = settle(config, source, teacher, world)
        if world.device.type == "cpu":
            use_cpu(config.system)
        claim = claim_run(out, config, source, teacher, data, world)
        if world.is_main:
            remember(source, out)
        torch.manual_seed(config.seed + world.rank)
        begun = (out / checkpoints.LAST).exists()
        state = step.make_state(config, world, teacher, text_features, from_init=not begun)
        facts = checkpoints.resume(out, state, run_id=claim.run_id)
        done = 0 if facts is None else facts["step"]
        if done >= config.steps:
            logger.info("%s is finished: %d steps", out, done)
            return Outcome(steps=0, done=done)
        run = Run(state, source, out, claim=claim, done=done, stop=stop)
        with parallelize.naming_lost_peers(world):
            last = run.train()
        return Outcome(
            steps=last - done, done=last, stopped_by=stop.name if last < config.steps else ""
        )


class Run:
    """The loop and what surrounds it: log, guards, checkpoints, looks."""

    def __init__(
        self,
        state: TrainState,
        source: Source | StreamSource,
        out: Path,
        *,
        claim: RunIdentity,
        done: int,
        stop: StopRequest,
    ) -> None:
        config, world = state.config, state.world
        self.state, self.source, self.out = state, source, out
        self.run_id, self.done, self.stop = claim.run_id, done, stop
        self.global_batch = rows_per_step(config, world.size)
        self.watch = Watch(
            config, None if isinstance(source, StreamSource) else source, out, world.size
        )
        self.log = start_log(out, claim, done, world)
        self.trackers = Trackers(config, out, first_step=done + 1) if world.is_main else None
        self.progress = Progress(config, world, teacher_dim=state.teacher.dim)
        self.saver = Saver(out, keep=config.system.keep, beside=config.system.save_async)
        self.watchdog = Watchdog(config.system.timeout_s)
        self.finite = FiniteGuard(out, config.system)
        self.spikes = SpikeWatch(out, config.system)
        self.since_save: list[float] = []  # losses
        self.save_s = 0.0  # what saving after the step before took

    def train(self) -> int:
        """The step reached: the last one, or the one at which somebody asked to stop."""
        config = self.state.config
        logger.info(
            "%d rows, %d per step, %d steps", len(self.source.ids), self.global_batch, config.steps
        )
        self.state.network.train()
        reached = self.done
        try:
            for reached, batches, data_s in self.batches():
                line = self.one_step(reached, batches, data_s)
                asked = self.wants_stop(line.pop("asked"))
                self.tell(line)
                if asked or reached % config.system.save_every == 0 or reached == config.steps:
                    self.save(reached)
                self.watchdog.alive()
                if asked:
                    break
            self.saver.finish()
            parallelize.barrier(self.state.world)  # nobody leaves before the checkpoint is there
        finally:
            self.watchdog.rest()
            if self.trackers is not None:
                self.trackers.close()
        return reached

    def batches(self) -> Iterator[tuple[int, list[Batch], float]]:
        """Step, its micro-batches on the device, and the seconds waited for them."""
        config, world = self.state.config, self.state.world
        found = training_batches(
            self.source,
            config,
            first_step=self.done + 1,
            rank=world.rank,
            num_ranks=world.size,
        )
        self.watchdog.alive()
        with contextlib.closing(found):
            for number in range(self.done + 1, config.steps + 1):
                started = time.perf_counter()
                batches = [batch.to(world.device) for batch in next(found)]
                yield number, batches, time.perf_counter() - started

    def one_step(self, number: int, batches: list[Batch], data_s: float) -> dict[str, Any]:
        """The line of metrics.jsonl, after the step that it is of."""
        state, started = self.state, time.perf_counter()
        config = state.config
        rate = learning_rate(
            number, steps=config.steps, global_batch=self.global_batch, config=config.optim
        )
        random = torch.get_rng_state()
        found = step.backward(state, batches)
        values = dict(zip(found, torch.stack(list(found.values())).tolist(), strict=True))
        counts = self.finite.accepts(values, state.scaler and state.scaler.get_scale())
        if counts:
            step.update(state, rate)
        else:
            replay.keep(self.out, state, number, batches, random)
            step.skip(state)
        line, ids = step_line(number, rate, values, batches, state.world, self.stop)
        if not counts:
            self.refuse(line, ids)
        else:
            self.since_save.append(values["total"])
            if state.world.is_main and self.spikes.look(number, values["total"], ids):
                line["spike"] = True
        accuracy = self.watch.look(state, number)
        if accuracy is not None:
            line["knn"] = round(accuracy, 5)
            self.knn = accuracy
        step_s = time.perf_counter() - started
        line["timing"] = self.progress.timing(data_s, step_s, self.save_s)
        self.save_s = 0.0
        return line

    knn: float | None = None  # of the latest probe since the last save

    def refuse(self, line: dict[str, Any], ids: list[str]) -> None:
        """A step that did not count: told, and after too many in a row the run stops."""
        line["skipped_step"] = "not finite"
        if self.state.world.is_main:
            self.finite.report(line, ids)
        if not all(bool(p.isfinite().all()) for p in map(parallelize.full_tensor, self.trained())):
            raise ValueError(
                f"step {line['step']}: the weights are no longer finite numbers, the step before "
                "was too large. Lower --optim.lr or use --system.precision fp32; the checkpoint "
                "before is kept."
            )
        self.finite.check(line["step"])

    def trained(self) -> list[Tensor]:
        """The parameters."""
        return [p.detach() for p in self.state.model.parameters() if p.requires_grad]

    def wants_stop(self, asked: list[str]) -> bool:
        """True on every process when any was asked to stop."""
        names = [name for name in asked if name]
        if names:
            self.stop.name = names[0]
        return bool(names)

    def tell(self, line: dict[str, Any]) -> None:
        """To the log, the trackers and people."""
        if not self.state.world.is_main or self.trackers is None:
            return
        self.log.write(line)
        self.trackers.write(line)
        self.progress.show(line)

    def save(self, number: int) -> None:
        """Starts a checkpoint of this step; the next one, or the end, waits for it."""
        started = time.perf_counter()
        score = None
        if self.knn is not None:
            score = Score(name="knn", value=self.knn)
        elif self.since_save and not self.state.config.log.probe_every_epochs:
            score = Score(name="loss", value=math.fsum(self.since_save) / len(self.since_save))
        self.saver.save(
            checkpoints.snapshot(self.state, step=number, run_id=self.run_id, score=score)
        )
        self.since_save, self.knn = [], None
        self.save_s = time.perf_counter() - started


def step_line(
    number: int,
    rate: float,
    values: dict[str, float],
    batches: list[Batch],
    world: World,
    stop: StopRequest,
) -> tuple[dict[str, Any], list[str]]:
    """The line of metrics.jsonl, and the ids of the step's rows in their order.

    Losses are means over all micro-batches and processes. `asked`: the signals that reached them.
    """
    mine = ([batch.ids for batch in batches], [i for b in batches for i in b.skipped], stop.name)
    seen = parallelize.gather_objects(mine, world)
    ids = [row_id for part in zip(*(ids for ids, _, _ in seen)) for some in part for row_id in some]
    skipped = [row_id for _, found, _ in seen for row_id in found]
    line: dict[str, Any] = {
        "step": number,
        "loss": finite(values["total"]),
        "losses": {name: finite(values[name]) for name in values if name not in RESERVED},
        "lr": rate,
        "grad_norm": finite(values["grad_norm"]),
        "rows": rows_hash(ids),
        "asked": [name for _, _, name in seen],
    }
    return {**line, "skipped": skipped} if skipped else line, ids


def finite(value: float) -> float | None:
    """The number; None for NaN and infinity, which JSON cannot hold."""
    return value if math.isfinite(value) else None


def use_cpu(system: SystemConfig) -> None:
    """As many threads as the run has, and memory kept from step to step."""
    keep_freed()
    if system.threads:
        torch.set_num_threads(system.threads)


def open_training(
    config: PretrainConfig, data: str, out: Path, world: World
) -> tuple[Source | StreamSource, PretrainConfig]:
    """The train split, and the config with everything decided that depends on data and run."""
    source: Source | StreamSource
    if is_stream(data, config.data):
        source = open_stream(data, config.data.split, config.data)
    else:
        source = open_source(data, config.data.split, config)
    if source.skipped:
        logger.warning("%d rows do not decode and are left out", len(source.skipped))
    is_cache = isinstance(source, MemorySource) and source.teacher is not None
    config = resolve_features(config, from_cache=is_cache)
    return source, fit_to_run(config, out, len(source.ids), world)


def open_teacher(
    config: PretrainConfig, source: Source | StreamSource, folder: Path, world: World
) -> tuple[Teacher, Tensor]:
    """The teacher, and unit features of the source's texts, computed once and kept in RUN/cache."""
    if config.teacher.features == "cached":
        assert isinstance(source, MemorySource) and source.teacher is not None
        assert source.text_features is not None
        check_losses(source.teacher, config.loss)
        return source.teacher, source.text_features
    teacher = load_teacher(config.teacher, world.device)
    check_losses(teacher, config.loss)
    return teacher, cached_text_features(teacher, source.texts, folder / "cache")
