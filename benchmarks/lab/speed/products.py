"""The matrix products of a step, alone: how fast a step could be if all else cost nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

PRODUCTS = {
    torch.ops.aten.mm.default: torch.mm,
    torch.ops.aten.addmm.default: torch.addmm,
    torch.ops.aten.bmm.default: torch.bmm,
}
Key = tuple[Any, tuple[tuple[tuple[int, ...], tuple[int, ...], torch.dtype], ...]]


class Recorder(TorchDispatchMode):
    """Counts the products by operation, shapes, strides and types."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[Key] = Counter()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in PRODUCTS:
            shapes = tuple(
                (tuple(a.shape), a.stride(), a.dtype) for a in args if isinstance(a, Tensor)
            )
            self.seen[func, shapes] += 1
        return func(*args, **(kwargs or {}))


def seconds(step: Callable[[], Any], *, rounds: int = 3) -> float:
    """The time of all matrix products of one step, each timed by itself on its own shapes."""
    with Recorder() as recorder:
        step()
    total = 0.0
    for (func, shapes), count in recorder.seen.items():
        inputs = [
            torch.randn(size).to(dtype).as_strided(size, stride)
            if torch.empty(size).stride() == stride
            else _strided(size, stride, dtype)
            for size, stride, dtype in shapes
        ]
        product = PRODUCTS[func]
        total += count * min(_timed(product, inputs) for _ in range(rounds + 1))
    return total


def _strided(size: tuple[int, ...], stride: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    empty = torch.empty_strided(size, stride, dtype=dtype)
    return empty.normal_() if 0 not in stride else torch.randn(size).to(dtype)


def _timed(product: Callable[..., Tensor], inputs: Sequence[Tensor]) -> float:
    started = time.perf_counter()
    product(*inputs)
    return time.perf_counter() - started
