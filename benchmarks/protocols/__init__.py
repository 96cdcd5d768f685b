"""The protocols by name: one module each, with `Settings`, `LEARNS` and `predict`.

`predict(problem, settings) -> Prediction` learns from `problem.train` and answers for
`problem.test`. Modules are imported only when asked for, so that this list costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

PROTOCOLS: dict[str, str] = {
    "zero_shot": "benchmarks.protocols.zeroshot",
    "knn": "benchmarks.protocols.knn",
    "linear": "benchmarks.protocols.linear",
    "few_shot": "benchmarks.protocols.few_shot",
}


def load(name: str) -> Any:
    """The module of a protocol."""
    return import_module(PROTOCOLS[name])
