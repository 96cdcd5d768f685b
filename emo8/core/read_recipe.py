"""The strict reader of a recipe: TOML in, the dataclasses of `emo8/core/settings.py` out.

A key that is not a field there is an error that names the nearest valid one.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from emo8.core import check_recipe
from emo8.core.errors import RecipeError
from emo8.core.recipe_errors import explain
from emo8.core.settings import Recipe


def load_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file; RecipeError says the value, the file and the fix."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"no recipe at {path}: give the path of a TOML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read the recipe {path}: {error}") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not valid TOML: {error}") from None
    return parse_recipe(data, where=str(path), default_name=path.stem)


def parse_recipe(data: dict[str, Any], *, where: str, default_name: str = "emo8") -> Recipe:
    """The recipe in a dictionary of TOML values, checked; RecipeError otherwise."""
    if not data.get("source"):
        raise RecipeError(f"{where} names no [[source]]: add one with `kind` and `path`")
    try:
        # as JSON, because strict JSON turns lists into tuples and tables into dataclasses, and
        # takes no text for a number
        recipe = TypeAdapter(Recipe).validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        raise RecipeError(explain(error, where)) from None
    recipe = dataclasses.replace(recipe, name=recipe.name or default_name)
    check_recipe.check(recipe, where)
    return _with_source_names(recipe)


def _with_source_names(recipe: Recipe) -> Recipe:
    """The recipe with a distinct name for every source."""
    seen: dict[str, int] = {}
    named = []
    for source in recipe.source:
        path = source.path.split("@")[0] if source.kind == "hub" else source.path.split("*")[0]
        name = source.name or Path(path.rstrip("/")).name or source.kind
        seen[name] = seen.get(name, 0) + 1
        name = name if seen[name] == 1 else f"{name}-{seen[name]}"
        named.append(dataclasses.replace(source, name=name))
    return dataclasses.replace(recipe, source=tuple(named))
