"""Prompt ensembles in editable TOML: templates x words per emotion, style, polarity, safety name.

`[emotion_in.STYLE]` holds templates that fit one style; the words of `[emotion.NAME]` fill them.
The shipped file has words for Mikels' eight and our five styles; of other label sets it takes the
words it has, and the name itself for the rest. A file of one's own must know every name.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emo8.core.errors import RecipeError
from emo8.core.label_set import MIKELS, NO_STYLE, LabelSet, current
from emo8.core.suggest import suggest
from emo8.core.taxonomy import POLARITIES

DEFAULT_PATH = Path(__file__).resolve().parent / "prompts.toml"
_SECTIONS = ("emotion", "style", "polarity", "safety")
_BY_STYLE = "emotion_in"
# Names that other sections must hold; safety names are the user's own, but one of them is "safe".
_REQUIRED = {"polarity": POLARITIES, "safety": ("safe",)}
_ANY_PICTURE = "a picture"  # what is asked where styles are not told apart
_SLOT = re.compile(r"\{([a-z_]+)\}")
_WHOLE = "texts"


@dataclass(frozen=True, kw_only=True)
class PromptSet:
    """Every prompt by section and name, in the taxonomy's order, and the hash of them all."""

    emotion: dict[str, list[str]]  # every emotion -> prompts
    style: dict[str, list[str]]  # every style -> prompts
    polarity: dict[str, list[str]]  # "positive" and "negative" -> prompts
    safety: dict[str, list[str]]  # "safe" and the user's unsafe kinds -> prompts
    emotion_in: dict[str, dict[str, list[str]]]  # style -> emotion -> prompts for that style alone
    emotion_words: dict[str, dict[str, list[str]]]  # emotion -> slot -> words, as written
    emotion_templates: list[str]  # as written
    sha256: str  # of the expanded prompts, so that a changed comment changes nothing


def load_prompts(path: Path | None = None, labels: LabelSet | None = None) -> PromptSet:
    """The prompts in `path` (default: the ones emo8 ships), expanded; RecipeError if malformed.

    They are those of `labels`, by default the set that this process works with.
    """
    shipped, labels = path is None, labels or current()
    path = DEFAULT_PATH if path is None else Path(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"prompts file {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"prompts file {path} is not TOML: {error}") from error
    check_keys(raw, (*_SECTIONS, _BY_STYLE), f"{path}")
    if labels.styles == (NO_STYLE,):
        raw["style"] = {NO_STYLE: {_WHOLE: [_ANY_PICTURE]}}
        raw.pop(_BY_STYLE, None)
    if shipped:
        raw = _fitted(raw, labels)
    required = {"emotion": labels.emotions, "style": labels.styles, **_REQUIRED}
    sections = {name: _section(raw, name, required[name], path) for name in _SECTIONS}
    by_style = _by_style(raw, labels, path)
    hashed: Any = {**sections, _BY_STYLE: by_style}
    if labels != MIKELS:  # the order of its names says which number is which
        hashed = [hashed, labels.emotions, labels.styles]
    content = json.dumps(hashed, sort_keys=True)
    words = raw["emotion"]
    return PromptSet(
        **sections,
        emotion_in=by_style,
        emotion_words={
            name: {slot: list(texts) for slot, texts in words[name].items() if slot != _WHOLE}
            for name in labels.emotions
        },
        emotion_templates=list(words.get("templates", [])),
        sha256=hashlib.sha256(content.encode()).hexdigest(),
    )


def _fitted(raw: dict[str, Any], labels: LabelSet) -> dict[str, Any]:
    """The shipped sections with words for exactly these names; unknown ones stand for themselves.

    Wording for a style asks for words that a name alone has not: it goes where one is unknown.
    """
    fitted = dict(raw)
    for section, names in (("emotion", labels.emotions), ("style", labels.styles)):
        known = raw[section]
        own = {name: known.get(name) or {"noun": [_spoken(name, section)]} for name in names}
        fitted[section] = {"templates": known.get("templates", []), **own}
    known_all = set(labels.emotions) <= raw["emotion"].keys()
    by_style = raw.get(_BY_STYLE, {}) if known_all else {}
    fitted[_BY_STYLE] = {style: by_style[style] for style in labels.styles if style in by_style}
    return fitted


def _spoken(name: str, section: str) -> str:
    words = name.replace("_", " ")
    return words if section == "emotion" else f"a picture in the style {words}"


def _by_style(
    raw: Mapping[str, Any], labels: LabelSet, path: Path
) -> dict[str, dict[str, list[str]]]:
    """Per style with templates of its own: emotion -> prompts."""
    tables = raw.get(_BY_STYLE, {})
    if not isinstance(tables, dict):
        raise RecipeError(f"{path}: [{_BY_STYLE}] must hold tables, one per style.")
    check_keys(tables, labels.styles, f"{path} [{_BY_STYLE}]")
    found = {}
    for style, table in tables.items():
        where = f"{path} [{_BY_STYLE}.{style}]"
        if not isinstance(table, dict):
            raise RecipeError(f"{where} must be a table with `templates`, not {table!r}.")
        check_keys(table, ("templates",), where)
        templates = _texts(table.get("templates", []), f"{where} templates")
        found[style] = {
            name: fill(templates, raw["emotion"][name], f"{path} [emotion.{name}]", where)
            for name in labels.emotions
        }
    return found


def fill(templates: list[str], words: Mapping[str, Any], where: str, asker: str) -> list[str]:
    """Each template with each of the words for its slot; RecipeError where a slot has no words."""
    prompts = []
    for template in templates:
        slot = _slot(template, asker)
        given = _texts(words.get(slot, []), f"{where} {slot}")
        if not given:
            raise RecipeError(f"{where} has no words for {{{slot}}}, which {asker} asks for.")
        prompts += [template.replace(f"{{{slot}}}", word) for word in given]
    return list(dict.fromkeys(prompts))


def _section(
    raw: Mapping[str, Any], section: str, required: tuple[str, ...], path: Path
) -> dict[str, list[str]]:
    where = f"{path} [{section}]"
    table = raw.get(section)
    if not isinstance(table, dict):
        raise RecipeError(
            f"{path}: section [{section}] is missing; start from a copy of {DEFAULT_PATH}."
        )
    templates = _texts(table.get("templates", []), f"{where} templates")
    words = {name: value for name, value in table.items() if name != "templates"}
    if section != "safety":
        check_keys(words, required, where)
    missing = [name for name in required if name not in words]
    if missing:
        raise RecipeError(f"{where}: no prompts for {', '.join(missing)}; add [{section}.NAME].")
    order = [*required, *(name for name in words if name not in required)]
    return {name: _expand(templates, words[name], f"{path} [{section}.{name}]") for name in order}


def _expand(templates: list[str], table: Any, where: str) -> list[str]:
    """All prompts of one name: each template with each word of its slot, then whole texts."""
    if not isinstance(table, dict):
        raise RecipeError(f"{where} must be a table of word lists, not {table!r}.")
    slots = {_slot(template, where): None for template in templates}
    check_keys(table, (*slots, _WHOLE), where)
    prompts: list[str] = []
    for template in templates:
        slot = _slot(template, where)
        words = _texts(table.get(slot, []), f"{where} {slot}")
        prompts += [template.replace(f"{{{slot}}}", word) for word in words]
    prompts += _texts(table.get(_WHOLE, []), f"{where} {_WHOLE}")
    if not prompts:
        raise RecipeError(f"{where} makes no prompt; give words for {', '.join(slots)} or texts.")
    return list(dict.fromkeys(prompts))


def _slot(template: str, where: str) -> str:
    found = _SLOT.findall(template)
    if len(found) != 1:
        raise RecipeError(
            f"{where}: template {template!r} has {len(found)} slots; write one, such as {{noun}}."
        )
    return str(found[0])


def _texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(v, str) and v.strip() for v in value):
        raise RecipeError(f"{where} must be a list of non-empty texts, not {value!r}.")
    return value


def check_keys(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Raise RecipeError with the nearest name where the table has a key that nobody knows."""
    for key in table:
        if key not in known:
            raise RecipeError(f"{where}: unknown key {key!r}; {suggest(key, known)}")
