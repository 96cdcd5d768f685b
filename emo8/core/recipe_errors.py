"""What is wrong in a recipe, in the words of a recipe: the key, the value, and what to write."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from pydantic import ValidationError

from emo8.core.settings import (
    DecideConfig,
    EngineConfig,
    FetchConfig,
    IngestConfig,
    LabelsConfig,
    LeaksConfig,
    PeopleConfig,
    PublishConfig,
    Recipe,
    SourceConfig,
    SplitsConfig,
    VotesConfig,
)
from emo8.core.suggest import suggest

_SECTIONS: dict[str, Any] = {
    "source": SourceConfig,
    "engine": EngineConfig,
    "ingest": IngestConfig,
    "fetch": FetchConfig,
    "labels": LabelsConfig,
    "votes": VotesConfig,
    "people": PeopleConfig,
    "decide": DecideConfig,
    "leaks": LeaksConfig,
    "splits": SplitsConfig,
    "publish": PublishConfig,
}


def explain(error: ValidationError, where: str, below: tuple[str, ...] = ()) -> str:
    """One line per mistake: the key, where it stands, and what to write instead."""
    found = [{**item, "loc": (*below, *item["loc"])} for item in error.errors()]
    return "\n".join(f"{where}: {_fix(item)}" for item in found)


def _fix(item: Any) -> str:
    """What is wrong with one value, and what to write, in the words of a recipe."""
    keys = [str(part) for part in item["loc"]]
    dotted, kind, given = ".".join(keys), item["type"], item["input"]
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"unknown key {dotted!r}; {suggest(keys[-1], _valid_keys(keys))}"
    if kind == "missing":
        return f"{dotted!r} is required and missing"
    shown = f"{dotted} = {json.dumps(given, ensure_ascii=False)}"
    if kind == "tuple_type" and keys == ["source"]:
        return "[source] is one table: write [[source]], with two brackets, for each source"
    if kind == "tuple_type":
        return f"{shown}: write a list, such as {dotted} = [{json.dumps(given)}]"
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", item["ctx"]["expected"])
        return f"{shown}: {suggest(str(given), known)}"
    if kind == "too_short":
        return f"{dotted} is empty{_EXAMPLES.get(dotted, '')}"
    if kind in _NUMBERS and isinstance(given, str):
        return f"{shown}: write a number without quotes"
    return f"{shown}: {item['msg'][0].lower()}{item['msg'][1:]}"


_EXAMPLES = {"labels.clip": ': name a model, such as ["embedded"]'}
_NUMBERS = ("int_type", "float_type")


def _valid_keys(keys: list[str]) -> list[str]:
    section = _SECTIONS.get(keys[0], Recipe) if len(keys) > 1 else Recipe
    return [each.name for each in dataclasses.fields(section)]
