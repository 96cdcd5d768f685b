"""Where a run computes: device, precision, and one process per device under torchrun.

Knows no model. Without torchrun there is one process and nothing here communicates.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class World:
    """This process among all of them."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        return self.rank == 0


@contextlib.contextmanager
def world(device: str) -> Iterator[World]:
    """The process group that torchrun describes (nccl on GPUs, gloo on CPUs), left at the end."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    place = pick_device(device, local_rank)
    if size == 1:
        yield World(rank=0, size=1, device=place)
        return
    dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield World(rank=rank, size=size, device=place)
    finally:
        dist.destroy_process_group()


def pick_device(name: str, local_rank: int = 0) -> torch.device:
    """The device that "auto", "cpu" or "cuda" means here."""
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise ValueError("system.device = 'cuda', but torch sees no GPU; use auto or cpu")
    if name == "cpu" or not has_cuda:
        return torch.device("cpu")
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def replicate(model: nn.Module, world: World) -> nn.Module:
    """The model itself, or DDP around it when there are several processes."""
    if world.size == 1:
        return model
    devices = [world.device.index] if world.device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(model, device_ids=devices)


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which networks run: bf16 where the recipe says so, else fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def gather_rows(rows: Tensor, world: World) -> Tensor:
    """(B of all processes, …) without gradient: the rows of every process in rank order."""
    if world.size == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(world.size)]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def gather_objects(value: Any, world: World) -> list[Any]:
    """One small Python value per process, in rank order."""
    if world.size == 1:
        return [value]
    values: list[Any] = [None] * world.size
    dist.all_gather_object(values, value)
    return values


def mean_over_ranks(values: Tensor, world: World) -> Tensor:
    """The mean of a tensor over processes."""
    if world.size == 1:
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values / world.size


def barrier(world: World) -> None:
    """Returns when every process is here."""
    if world.size > 1:
        dist.barrier()
