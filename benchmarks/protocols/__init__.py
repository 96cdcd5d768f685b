"""The protocols by name: one module each, with `Settings`, `LEARNS` and `predict`.

`predict(problem, settings) -> Prediction` learns from `problem.train` and answers for
`problem.test`. Modules are imported only when asked for, so that this list costs nothing.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from emo8.core.errors import Emo8Error
from emo8.core.suggest import suggest

PROTOCOLS: dict[str, str] = {
    "zero_shot": "benchmarks.protocols.zeroshot",
    "knn": "benchmarks.protocols.knn",
    "linear": "benchmarks.protocols.linear",
    "attentive": "benchmarks.protocols.attentive",
    "few_shot": "benchmarks.protocols.few_shot",
    "finetune": "benchmarks.protocols.finetune",
}


def load(name: str) -> Any:
    """The module of a protocol."""
    return import_module(PROTOCOLS[name])


def with_options(settings: Any, name: str, given: Sequence[str]) -> Any:
    """`settings` with the fields of `given` (NAME=VALUE) that this protocol has."""
    changes: dict[str, Any] = {}
    hints = typing.get_type_hints(type(settings))
    for option in given:
        field, equals, text = option.partition("=")
        if not equals:
            raise Emo8Error(f"--set {option}: write NAME=VALUE.")
        if field in hints:
            changes[field] = _parse(option, text, hints[field])
    try:
        return dataclasses.replace(settings, **changes)
    except ValueError as error:
        raise Emo8Error(f"--set for {name}: {error}") from error


def require_used(names: Sequence[str], given: Sequence[str]) -> None:
    """Nothing, where each option of `given` is a setting of one of the protocols."""
    known = sorted({f.name for n in names for f in dataclasses.fields(load(n).Settings)})
    for option in given:
        field = option.partition("=")[0]
        if field not in known:
            raise Emo8Error(
                f"--set {option}: {', '.join(names)} has no such setting; {suggest(field, known)}"
            )


def _parse(option: str, text: str, kind: Any) -> Any:
    try:
        if typing.get_origin(kind) is tuple:
            (inner, *_) = typing.get_args(kind)
            return tuple(inner(part) for part in text.split(","))
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        return kind(text) if kind in (int, float, str) else text
    except (ValueError, KeyError) as error:
        raise Emo8Error(f"--set {option}: not a value of the kind {kind}.") from error
