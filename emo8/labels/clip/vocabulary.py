"""The words a picture may be described with: scenes, objects, actions, expressions.

From an editable TOML file, or from the `info.json` that comes with EmoSet.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emo8.core.errors import RecipeError
from emo8.core.json_text import parse_json
from emo8.labels.clip.prompts import check_keys

DEFAULT_PATH = Path(__file__).resolve().parent / "attributes.toml"
ATTRIBUTES = ("scene", "object", "human_action", "facial_expression")  # as EmoSet names them
_KEYS = ("templates", "names", "absent")


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Per attribute its names with their prompts, and the texts that say it is absent."""

    prompts: dict[str, dict[str, list[str]]]  # attribute -> name -> prompts
    absent: dict[str, list[str]]  # attribute -> texts
    sha256: str  # of all of them


def load_vocabulary(path: Path | None = None) -> Vocabulary:
    """The vocabulary in `path` (default: the shipped one); RecipeError if it is malformed."""
    shipped = _toml(DEFAULT_PATH)
    if path is None:
        return _vocabulary(shipped, DEFAULT_PATH)
    if path.suffix == ".json":
        return _vocabulary(_emoset(path, shipped), path)
    return _vocabulary(_toml(path), path)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"attributes file {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"attributes file {path} is not TOML: {error}") from error


def _emoset(path: Path, shipped: Mapping[str, Any]) -> dict[str, Any]:
    """The shipped tables with the names of EmoSet's info.json (its newer form)."""
    try:
        info = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"attributes file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise RecipeError(f"attributes file {path} is not JSON: {error}") from error
    tables = dict(shipped)
    for attribute in ATTRIBUTES:
        labels = info.get(attribute) if isinstance(info, dict) else None
        if not isinstance(labels, dict) or not isinstance(labels.get("label2idx"), dict):
            raise RecipeError(
                f"attributes file {path} has no {attribute}.label2idx: EmoSet's older info.json "
                "lists emotions only; take the one from EmoSet's repository."
            )
        names = [str(name).strip() for name in labels["label2idx"]]  # one of them ends in a space
        tables[attribute] = {**shipped[attribute], "names": names}
    return tables


def _vocabulary(tables: Mapping[str, Any], path: Path) -> Vocabulary:
    check_keys(tables, ATTRIBUTES, str(path))
    prompts: dict[str, dict[str, list[str]]] = {}
    absent: dict[str, list[str]] = {}
    for attribute in ATTRIBUTES:
        where = f"{path} [{attribute}]"
        table = tables.get(attribute)
        if not isinstance(table, dict):
            raise RecipeError(
                f"{where} needs {', '.join(_KEYS)}; start from a copy of {DEFAULT_PATH}."
            )
        check_keys(table, _KEYS, where)
        templates, names, texts = (_texts(table.get(key), f"{where} {key}") for key in _KEYS)
        for template in templates:
            if template.count("{name}") != 1:
                raise RecipeError(f"{where}: template {template!r} must hold {{name}} once.")
        prompts[attribute] = {
            name: [template.replace("{name}", name) for template in templates] for name in names
        }
        absent[attribute] = texts
    content = json.dumps([prompts, absent], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return Vocabulary(prompts=prompts, absent=absent, sha256=digest)


def _texts(value: Any, where: str) -> list[str]:
    good = isinstance(value, list) and all(isinstance(v, str) and v.strip() for v in value)
    if not good or not value:
        raise RecipeError(f"{where} must be a list of at least one non-empty text, not {value!r}.")
    return list(dict.fromkeys(value))
