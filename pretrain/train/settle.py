"""What is decided by measuring: in which precision and with how many threads a CPU runs the step.

bf16 is several times as fast as fp32 on one processor and slower on another, and small steps gain
little or nothing from a second core. A run measures once, at its start, and writes what it chose
into config.json, so that a resumed run computes the same bits.
"""

from __future__ import annotations

import dataclasses
import logging
import time

import torch
from torch.nn import functional

from pretrain.config.settings import PretrainConfig
from pretrain.data.batches import Batch, training_batches
from pretrain.data.dataset import Source
from pretrain.data.streaming import StreamSource
from pretrain.teacher import CachedTeacher, Teacher, describe
from pretrain.train import parallelize, step
from pretrain.train.parallelize import World

logger = logging.getLogger(__name__)

PRECISIONS = ("fp32", "bf16")
TIMED_STEPS = 3  # the fastest counts: a machine that others use is never too fast
WORTH = 0.95  # of the time of fewer threads, or of fp32: less gain than that is none


def settle(
    config: PretrainConfig, source: Source | StreamSource, teacher: Teacher, world: World
) -> PretrainConfig:
    """`config` with "auto" precision, and threads with it, decided; the same on every process."""
    if config.system.precision != "auto":
        return config
    precision, threads = "fp32", config.system.threads
    if world.device.type == "cuda":
        precision = "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    else:
        chosen = _fastest(config, source, teacher) if world.is_main else ("", 0)
        precision, threads = parallelize.gather_objects(chosen, world)[0]
    return with_system(config, precision, threads)


def with_system(config: PretrainConfig, precision: str, threads: int) -> PretrainConfig:
    """`config` in this precision with that many threads."""
    system = dataclasses.replace(config.system, precision=precision, threads=threads)
    return dataclasses.replace(config, system=system)


def _fastest(
    config: PretrainConfig, source: Source | StreamSource, teacher: Teacher
) -> tuple[str, int]:
    """Precision and number of threads of the shortest step; fewer threads and fp32 where even."""
    before = torch.get_num_threads()
    counts = [config.system.threads] if config.system.threads else sorted({1, before})
    batches = next(training_batches(source, config, first_step=1, rank=0, num_ranks=1))
    seconds: dict[tuple[str, int], float] = {}
    for threads in counts:
        torch.set_num_threads(threads)
        for precision in PRECISIONS:
            alone = with_system(config, precision, threads)
            seconds[precision, threads] = step_seconds(alone, batches, teacher)
    torch.set_num_threads(before)
    best = next(iter(seconds))
    for choice, took in seconds.items():
        if took < WORTH * seconds[best]:
            best = choice
    told = ", ".join(f"{p} x {n}: {took:.2f} s" for (p, n), took in seconds.items())
    logger.info("a step takes (precision x threads) %s; chosen: %s x %d", told, *best)
    return best


def step_seconds(config: PretrainConfig, batches: list[Batch], teacher: Teacher) -> float:
    """The fastest of a few steps of a model of its own; the teacher's part is left out."""
    world = World(rank=0, size=1, device=torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    rows = config.data.batch_size
    texts = torch.randn(rows, teacher.dim, generator=generator)
    image = functional.normalize(torch.randn(rows, teacher.dim, generator=generator), dim=-1)
    inputs = [
        dataclasses.replace(
            b, teacher_image=image[: len(b.ids)], text_index=torch.arange(len(b.ids))
        )
        for b in batches
    ]
    state = step.make_state(
        config, world, CachedTeacher(describe(teacher)), functional.normalize(texts, dim=-1)
    )
    state.network.train()
    took = []
    for _ in range(1 + TIMED_STEPS):
        started = time.perf_counter()
        step.train_step(state, inputs, config.optim.lr)
        took.append(time.perf_counter() - started)
    return min(took[1:])
