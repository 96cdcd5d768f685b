"""The strict reader of dotted command-line overrides, such as `--optim.lr 1e-3`."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pretrain.config.settings import PretrainConfig, unknown_setting


def override(config: PretrainConfig, settings: Mapping[str, str]) -> PretrainConfig:
    """`config` with dotted fields replaced, each checked against the fields and their types.

    Steps given here replace epochs. ValueError names an unknown field's nearest valid one.
    """
    known = field_types(PretrainConfig)
    nested: dict[str, Any] = {}
    for name, text in settings.items():
        if name not in known:
            raise ValueError(unknown_setting(name, sorted(known)))
        section, _, leaf = name.rpartition(".")
        target = nested.setdefault(section, {}) if section else nested
        target[leaf] = _parse(name, text, known[name])
    if nested.get("steps"):
        nested.setdefault("epochs", 0.0)
    elif nested.get("epochs"):
        nested.setdefault("steps", 0)
    changes = {
        key: dataclasses.replace(getattr(config, key), **value)
        if isinstance(value, dict)
        else value
        for key, value in nested.items()
    }
    return dataclasses.replace(config, **changes)


def field_types(cls: type) -> dict[str, Any]:
    """{"optim.lr": float, …}: every field that can be overridden, with its type."""
    found: dict[str, Any] = {}
    for name, kind in typing.get_type_hints(cls).items():
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            found.update({f"{name}.{leaf}": t for leaf, t in field_types(kind).items()})
        elif name != "recipe":
            found[name] = kind
    return found


def _parse(name: str, text: str, kind: Any) -> Any:
    try:
        if typing.get_origin(kind) is tuple:
            return _parse_tuple(text, typing.get_args(kind))
        if kind is bool:
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        return kind(text)
    except (ValueError, KeyError) as problem:
        shown = str(kind) if isinstance(kind, types.GenericAlias) else kind.__name__
        raise ValueError(f"--{name} {text}: expected {shown}") from problem


def _parse_tuple(text: str, kinds: Sequence[Any]) -> tuple[Any, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if kinds[-1] is Ellipsis:
        return tuple(kinds[0](part) for part in parts)
    if len(parts) != len(kinds):
        raise ValueError(text)
    return tuple(kind(part) for kind, part in zip(kinds, parts, strict=True))
