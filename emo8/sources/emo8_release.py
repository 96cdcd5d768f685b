"""The folders in which Emo8 was released, as a recipe: `train|val|test/<emotion>/*`.

Folders that also name the style are understood too; where none does, CLIP claims it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from emo8.core.errors import SourceError
from emo8.core.taxonomy import parse_emotion, parse_style
from emo8.engine.files import write_text
from emo8.sources.base import parse_split

LAYOUTS = ("split/emotion", "split/style/emotion", "style/split/emotion")
_PARSERS: dict[str, Callable[[str], str]] = {
    "split": parse_split,
    "style": parse_style,
    "emotion": parse_emotion,
}


def write_recipe(
    folder: Path, recipe: Path, *, clip: Sequence[str], license: str, attribution: str
) -> None:
    """Write the recipe that builds `folder`, with its splits kept, as the file `recipe`.

    SourceError when the folder has another form, or when the file holds another recipe.
    """
    found = layout(folder)
    source = {
        "kind": "folder",
        "path": str(folder.resolve()),
        "name": folder.resolve().name,
        "layout": found,
        "license": license,
        "attribution": attribution,
    }
    if "style" not in found:
        source["style"] = "clip"
    lines = [
        "# Written by `emo8 import`; edit it and run `emo8 build` as with any recipe.",
        f"name = {_toml(recipe.stem)}",
        "[[source]]",
        *(f"{key} = {_toml(value)}" for key, value in source.items() if value),
        "keep_splits = true",
        "[labels]",
        f"clip = [{', '.join(_toml(name) for name in clip)}]",
    ]
    text = "\n".join(lines) + "\n"
    if recipe.exists() and recipe.read_text(encoding="utf-8") != text:
        raise SourceError(
            f"{recipe} is there and says something else: run `emo8 build {recipe}` to use it, or "
            "give another -o"
        )
    write_text(recipe, text)


def layout(folder: Path) -> str:
    """What each level of folders names; SourceError when it is none of `LAYOUTS`."""
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder; give the one that holds train, val and test")
    for candidate in LAYOUTS:
        if _fits(folder, candidate.split("/")):
            return candidate
    names = sorted(entry.name for entry in folder.iterdir())[:5]
    raise SourceError(
        f"{folder} holds {', '.join(names) or 'nothing'}; expected train, val, test with one "
        f"folder per emotion ({' or '.join(LAYOUTS)}). For another form write a recipe"
    )


def _fits(folder: Path, levels: list[str]) -> bool:
    """Whether every folder below has a name that its level allows."""
    folders = [e for e in folder.iterdir() if e.is_dir() and not e.name.startswith(".")]
    if not levels:
        return True
    try:
        for entry in folders:
            _PARSERS[levels[0]](entry.name)
    except ValueError:
        return False
    return bool(folders) and all(_fits(entry, levels[1:]) for entry in folders)


def _toml(text: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(text, ensure_ascii=False)
