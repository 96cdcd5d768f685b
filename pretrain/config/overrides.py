"""The strict reader of dotted command-line overrides, such as `--optim.lr 1e-3`."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pretrain.config.settings import PretrainConfig, unknown_setting

TABLE = ".NAME"


def override(config: PretrainConfig, settings: Mapping[str, str]) -> PretrainConfig:
    """`config` with dotted fields replaced, each checked against the fields and their types.

    Steps given here replace epochs. ValueError names an unknown field's nearest valid one.
    """
    known = field_types(PretrainConfig)
    nested: dict[str, Any] = {}
    for name, text in settings.items():
        _put(nested, name, _parse(name, text, _kind(name, known)))
    if nested.get("steps"):
        nested.setdefault("epochs", 0.0)
    elif nested.get("epochs"):
        nested.setdefault("steps", 0)
    changed: PretrainConfig = _changed(config, nested)
    return changed


def _put(nested: dict[str, Any], name: str, value: Any) -> None:
    """Set {"a": {"b": value}} for "a.b"."""
    *sections, leaf = name.split(".")
    for section in sections:
        nested = nested.setdefault(section, {})
    nested[leaf] = value


def _changed(old: Any, changes: Any) -> Any:
    """`old` with nested changes; a table of settings keeps what is not named."""
    if not isinstance(changes, dict):
        return changes
    if isinstance(old, dict):
        return {**old, **changes}
    fields = {key: _changed(getattr(old, key), value) for key, value in changes.items()}
    return dataclasses.replace(old, **fields)


def _kind(name: str, known: Mapping[str, Any]) -> Any:
    """The type of a setting, of one in a table of settings too."""
    if name in known and not name.endswith(TABLE):
        return known[name]
    table = name.rpartition(".")[0] + TABLE
    if table not in known:
        raise ValueError(unknown_setting(name, sorted(known)))
    return known[table]


def field_types(cls: type) -> dict[str, Any]:
    """{"optim.lr": float, …}: every field that can be overridden, with its type.

    `NAME` stands for the keys of a table of settings, as in "loss.further.NAME".
    """
    found: dict[str, Any] = {}
    for name, kind in typing.get_type_hints(cls).items():
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            found.update({f"{name}.{leaf}": t for leaf, t in field_types(kind).items()})
        elif typing.get_origin(kind) is dict:
            found[f"{name}{TABLE}"] = typing.get_args(kind)[1]
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
