"""What a recipe leaves open, decided once data, processes and the run's past are known."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from pretrain.config.settings import PretrainConfig, unknown_setting


def rows_per_step(config: PretrainConfig, num_ranks: int) -> int:
    """Rows of one step over all micro-batches and processes: the global batch."""
    return config.data.batch_size * config.optim.accumulate * num_ranks


def keep_rows_per_step(config: PretrainConfig, wanted: int, num_ranks: int) -> PretrainConfig:
    """`config` with as many rows per step as the run had, on any number of processes.

    More or fewer micro-batches make up for it, smaller ones where that is not enough, so the
    learning rate, the losses and even the order of the data stay those of the run. ValueError
    where `wanted` rows do not divide among the processes.
    """
    if rows_per_step(config, num_ranks) == wanted:
        return config
    per_rank, rest = divmod(wanted, num_ranks)
    if rest:
        raise ValueError(
            f"the run has {wanted} rows per step, which {num_ranks} processes cannot share "
            f"evenly; use a number of processes that divides {wanted}"
        )
    largest = min(config.data.batch_size, per_rank)
    size = next(size for size in range(largest, 0, -1) if per_rank % size == 0)
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, batch_size=size),
        optim=dataclasses.replace(config.optim, accumulate=per_rank // size),
    )


def resolve_steps(config: PretrainConfig, num_rows: int, num_ranks: int) -> PretrainConfig:
    """`config` with steps in place of epochs, now that the number of rows is known.

    ValueError where the learning rate would then never rise to its peak, or not fall from it.
    """
    rows = rows_per_step(config, num_ranks)
    if not config.steps:
        steps = math.ceil(config.epochs * num_rows / rows)
        config = dataclasses.replace(config, steps=max(1, steps), epochs=0.0)
    optim = config.optim
    if optim.warmup_steps >= config.steps:
        raise ValueError(
            f"optim.warmup_steps = {optim.warmup_steps} of {config.steps} steps: the learning rate "
            "would never reach its peak. Train longer, or warm up for fewer steps."
        )
    if optim.min_lr > (peak := optim.lr * rows / 256):
        raise ValueError(
            f"optim.min_lr = {optim.min_lr:g} is above the peak of the learning rate, {peak:g} "
            f"(optim.lr {optim.lr:g} per 256 rows, and a step has {rows})."
        )
    return config


def resolve_losses(
    config: PretrainConfig,
    weights: Mapping[str, float],
    began_with: Mapping[str, float] | None = None,
) -> PretrainConfig:
    """`config` with the weight of every loss written out; `weights` are what their files say.

    A run that has begun keeps the losses that it `began_with`: a file added since has weight 0 in
    it unless the settings name it. ValueError where a weight is set for a loss that no file has.
    """
    for name in config.loss.further:
        if name not in weights:
            known = [f"loss.further.{name}" for name in weights]
            raise ValueError(
                f"{unknown_setting(f'loss.further.{name}', known)}; a loss of your own is a file "
                "in pretrain/losses"
            )
    if began_with is not None:
        weights = {name: began_with.get(name, 0.0) for name in weights}
    further = {**weights, **config.loss.further}
    return dataclasses.replace(config, loss=dataclasses.replace(config.loss, further=further))


def resolve_features(config: PretrainConfig, *, from_cache: bool) -> PretrainConfig:
    """`config` with "auto" teacher features decided; ValueError for cached without a cache."""
    features = config.teacher.features
    if features == "cached" and not from_cache:
        raise ValueError("teacher.features = 'cached' needs --data FILE made by `uniemox cache`")
    if features == "auto":
        features = "cached" if from_cache else "live"
    if features == "cached" and config.views.colour_jitter:
        raise ValueError(
            "views.colour_jitter needs --teacher.features live: cached teacher features are of "
            "crops in their own colours"
        )
    return dataclasses.replace(
        config, teacher=dataclasses.replace(config.teacher, features=features)
    )
