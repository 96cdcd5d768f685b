"""Where a run computes: device, precision, and one process per device under torchrun.

Knows no model: replication, sharding, compiling and recomputing are applied from outside. Without
torchrun there is one process and nothing here communicates.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pretrain.config.settings import SystemConfig

# in the messages of gloo and nccl when a peer does not answer
LOST = ("Timed out", "timed out", "timeout", "Connection closed", "Connection reset", "ncclRemote")
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


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
def world(system: SystemConfig) -> Iterator[World]:
    """The process group that torchrun describes, left at the end.

    Tensors travel by nccl between GPUs and by gloo between CPUs, small objects always by gloo.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    place = pick_device(system.device, local_rank)
    if size == 1:
        yield World(rank=0, size=1, device=place)
        return
    backend = "cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo"
    patience = timedelta(seconds=system.timeout_s) if system.timeout_s else None
    dist.init_process_group(backend, timeout=patience)
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


def repeat_bit_for_bit() -> None:
    """From here on torch uses only algorithms that give the same bits each time, or raises."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


# Applied to a model from outside -----------------------------------------------------------------


def parallelize(model: nn.Module, system: SystemConfig, world: World) -> nn.Module:
    """What to call in place of the model: it recomputes, is compiled, sharded or replicated as the
    recipe says. `model` itself is changed in place; names of weights stay as they are.
    """
    blocks = repeated_blocks(model)
    if system.recompute:
        for block in blocks:
            recompute = partial(torch.utils.checkpoint.checkpoint, use_reentrant=False)
            block.forward = partial(recompute, block.forward)  # type: ignore[method-assign]
    if world.size > 1 and system.parallel == "fsdp":
        _shard(model, blocks, world)
    if system.compile:
        model.compile()
    if world.size > 1 and system.parallel == "ddp":
        devices = [world.device.index] if world.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=devices)
    return model


def repeated_blocks(model: nn.Module) -> list[nn.Module]:
    """The numbered children of every list whose name ends in "blocks"."""
    return [
        child
        for name, module in model.named_modules()
        if name.rpartition(".")[2].endswith("blocks")
        for child in module.children()
    ]


def _shard(model: nn.Module, blocks: Sequence[nn.Module], world: World) -> None:
    """FSDP2 (Zhao et al. 2023, "PyTorch FSDP"): each block a group of its own, the rest another."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(world.device.type, (world.size,))
    for block in blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)


def full_tensor(tensor: Tensor) -> Tensor:
    """The full tensor of a shard; every process must ask. Anything else as it is."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def copy_into(values: Tensor, into: Tensor) -> None:
    """Copies full values into a tensor or into this process's shard of it."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    with torch.no_grad():
        if isinstance(into, DTensor):
            values = values.to(into.device)
            values = distribute_tensor(
                values, into.device_mesh, into.placements, src_data_rank=None
            )
        into.copy_(values)


def fill(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Loads full weights into a model, sharded or not; KeyError where one is missing."""
    for name, value in model.state_dict().items():
        copy_into(weights[name], value)


@contextlib.contextmanager
def gradients_stay_here(network: nn.Module, *, last: bool) -> Iterator[None]:
    """Within it, backward passes add up gradients; only after the last are they exchanged."""
    if isinstance(network, nn.parallel.DistributedDataParallel) and not last:
        with network.no_sync():
            yield
        return
    if hasattr(network, "set_requires_gradient_sync"):  # FSDP2
        network.set_requires_gradient_sync(last)
    yield


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which networks run in the precision of the recipe."""
    dtype = AUTOCAST.get(precision, torch.bfloat16)
    return torch.autocast(device.type, dtype, enabled=precision in AUTOCAST)


# Between processes -------------------------------------------------------------------------------


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


@contextlib.contextmanager
def naming_lost_peers(world: World) -> Iterator[None]:
    """Turns what a collective raises when another process is stuck or gone into plain words."""
    try:
        yield
    except (dist.DistBackendError, RuntimeError) as problem:
        if world.size == 1 or not any(word in str(problem) for word in LOST):
            raise
        raise TimeoutError(
            f"process {world.rank} waited in vain for the others: one is stuck or gone "
            f"({str(problem).splitlines()[0]}). Its own messages say why; the same command goes "
            "on from the last checkpoint. --system.timeout_s says how long to wait."
        ) from problem


def barrier(world: World) -> None:
    """Returns when every process is here."""
    if world.size > 1:
        dist.barrier()
