"""What a source says about a picture, as claims under our names.

A cell is taken for what it says, or for nothing: never for something else. What was made of the
cells is noted, and a build counts the notes ("understood as"), so that nothing changes unsaid.
"""

from __future__ import annotations

import ast
import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emo8.core import label_set
from emo8.core.json_text import parse_json
from emo8.core.settings import SourceConfig
from emo8.core.taxonomy import SPLITS, UNLABELLED, split_name
from emo8.sources import boxes

# Our names for what a table can say about a picture; `columns` maps them to the table's names.
CLAIM_COLUMNS = (
    "caption", "style", "emotion", "license", "attribution", "url", "people", "split",
)  # fmt: skip
TABLE_COLUMNS = ("image", *CLAIM_COLUMNS)
_TEXTS = tuple(name for name in CLAIM_COLUMNS if name != "people")
# How programs write that there is nothing: pandas, Excel, R, SQL, Python, FiftyOne.
NOTHING = frozenset(
    ("", "nan", "none", "null", "n/a", "n.a.", "na", "#n/a", "<na>", "nat", "nil", "(none)",
     UNLABELLED)
)  # fmt: skip
_PLACEHOLDER = re.compile(r"[-\u2010-\u2015\u2026?._*/\s]+")  # and how people do: "-", "?", "..."
_NO_LICENSE = frozenset(
    ("unknown", "unspecified", "undetermined", "not specified", "not known", "tbd", "todo")
)
_CAPTION_KEYS = ("raw", "caption", "text")  # of captions that are objects, as COCO's are
_MAX_LIST_CHARS = 100_000  # of a text that may be a list
Note = tuple[str, str]  # topic and words: "labels", "named by folders"


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a source says about one picture; None where it says nothing."""

    caption: str | None = None
    style: str | None = None
    emotion: str | None = None
    license: str | None = None
    attribution: str | None = None
    url: str | None = None
    people: list[boxes.Box] | None = None
    people_in_pixels: bool = False  # True until the picture is there to scale them by
    split: str | None = None
    notes: tuple[Note, ...] = ()  # what was made of the cells


def claims_from(
    record: Mapping[str, Any], source: SourceConfig, whose: Mapping[str, str] | None = None
) -> Claims:
    """The claims in one table line, with the source's own defaults behind them.

    `whose` says for the notes where a claim comes from: {"emotion": "folders"}. ValueError for a
    split that is to be kept and is none of ours.
    """
    notes: list[Note] = []
    values = {name: _text(name, record.get(name), notes) for name in _TEXTS}
    whose = dict(whose or {})
    if source.style not in ("", "clip"):
        values["style"] = source.style
        whose.pop("style", None)
    values["emotion"] = _label("emotion", values["emotion"], source.emotions, whose, notes)
    values["style"] = _label("style", values["style"], source.styles, whose, notes)
    values["split"] = _kept_split(values["split"], source, notes)
    values["license"] = values["license"] or _text("license", source.license, [])
    values["attribution"] = values["attribution"] or source.attribution or None
    if values["caption"]:
        notes.append(("captions", "given"))
    people, in_pixels = _people(record.get("people"), source, notes)
    return Claims(**values, people=people, people_in_pixels=in_pixels, notes=tuple(notes))


def with_picture(claims: Claims, data: bytes) -> Claims:
    """The claims of a picture that has arrived: boxes in pixels become fractions of it."""
    if not claims.people_in_pixels:
        return claims
    try:
        found, note = boxes.scaled(claims.people or [], data), "pixels, scaled by the picture"
    except boxes.BoxError as error:
        found, note = None, _not_used(error)
    return dataclasses.replace(
        claims, people=found, people_in_pixels=False, notes=(*claims.notes, ("boxes", note))
    )


# --- texts --------------------------------------------------------------------------------------


def _text(name: str, value: Any, notes: list[Note]) -> str | None:
    """`value` as text; None for null, NaN, blanks and words for nothing."""
    if isinstance(value, str):
        value = _list_in(value)
    if isinstance(value, list | tuple):
        return _one_of(name, value, notes)
    if name == "caption" and isinstance(value, dict):
        value = next((value[key] for key in _CAPTION_KEYS if key in value), value)
    text = _plain(value)
    if name == "license" and text is not None and text.lower() in _NO_LICENSE:
        text = None
    if text is None:
        if note := _why_nothing(name, value):
            notes.append((_topic(name), note))
        return None
    if any("\ud800" <= char <= "\udfff" for char in text):
        notes.append((_topic(name), "characters that no text can hold: replaced"))
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _why_nothing(name: str, value: Any) -> str:
    """What to say of a cell that holds no text; "" for one that is plainly empty."""
    if isinstance(value, str):
        return f"{value.strip()!r} is taken for nothing" if value.strip() else ""
    if not _is_nothing(value):
        return f"{type(value).__name__} is no text: not used"
    is_number = value is not None and not math.isnan(value)
    return f"{value} means no label" if is_number and name in ("emotion", "style") else ""


def _plain(value: Any) -> str | None:
    """A text, a number or bytes as text; None for what is nothing or none of these."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas makes floats of numbers where some are missing
    if _is_nothing(value) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    return None if text.lower() in NOTHING or _PLACEHOLDER.fullmatch(text) else text


def _is_nothing(value: Any) -> bool:
    """Null, NaN, and the negative numbers that stand for "no label"."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return math.isnan(value) or value < 0
    return value is None


def _list_in(text: str) -> Any:
    """The list that a text holds as JSON or, written by pandas, as Python; else the text."""
    stripped = text.strip()
    if not (stripped.startswith("[") and stripped.endswith("]")) or len(text) > _MAX_LIST_CHARS:
        return text
    for parse in (parse_json, ast.literal_eval):
        try:
            found = parse(stripped)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list) and all(isinstance(item, str | None) for item in found):
            return found
    return text


def _one_of(name: str, values: Any, notes: list[Note]) -> str | None:
    """The caption of several that comes first; of other lists the only value, or nothing."""
    unnoted: list[Note] = []
    texts = [text for value in values if (text := _text(name, value, unnoted))]
    if name == "caption":
        if len(texts) > 1:
            notes.append((_topic(name), "lists of several: the first is taken"))
        return texts[0] if texts else None
    if len(set(texts)) > 1:
        notes.append((_topic(name), "lists of several: none is taken"))
        return None
    return texts[0] if texts else None


def _topic(name: str) -> str:
    return {"emotion": "labels", "style": "styles", "caption": "captions", "split": "splits",
            "license": "licences", "people": "boxes"}.get(name, f"{name}s")  # fmt: skip


# --- labels -------------------------------------------------------------------------------------


def _label(
    name: str,
    word: str | None,
    mapping: Mapping[str, str],
    whose: Mapping[str, str],
    notes: list[Note],
) -> str | None:
    """A source's word for an emotion or a style, as the recipe maps it: our name, or its own."""
    if word is None:
        return None
    topic = _topic(name)
    if word not in mapping:
        word = _class_number(word)
        if word.startswith("-") and word[1:].isdigit():
            notes.append((topic, f"{word} means no label"))
            return None
    label = mapping.get(word) or word
    try:
        label = {"emotion": label_set.parse_emotion, "style": label_set.parse_style}[name](label)
        origin = whose.get(name)
        notes.append((topic, f"named by {origin}" if origin else "named by the recipe"))
    except ValueError:
        why = "as the recipe says" if word in mapping else "none of ours"
        notes.append((topic, f"{label[:40]!r} is left to CLIP ({why})"))
    return label


def _class_number(word: str) -> str:
    """A class number as whole, where a text file has `3.0` or `3,0`; any other word as it is."""
    found = re.fullmatch(r"(-?\d+)[.,]0+", word)
    return found[1] if found else word


# --- splits -------------------------------------------------------------------------------------


def _kept_split(word: str | None, source: SourceConfig, notes: list[Note]) -> str | None:
    """The split a row stays in; ValueError for a name that means none of ours."""
    if not source.keep_splits:
        if word is not None:
            notes.append(("splits", "not kept: drawn anew, as keep_splits is not set"))
        return None
    if word is None:
        notes.append(("splits", "not named: drawn"))
        return None
    split = parse_split(word, source.splits)
    notes.append(("splits", f"{word} is {split}" if word != split else f"{split} kept"))
    return split


def parse_split(name: str, mapping: Mapping[str, str] | None = None) -> str:
    """train, val or test as `name` spells it ("validation", "dev"), or as the recipe maps it.

    ValueError otherwise, with the line to write.
    """
    if mapping and name in mapping:
        return mapping[name]
    key = name.strip().lower()
    key = split_name(key)
    if key not in SPLITS:
        guess = next((split for split in ("val", "test", "train") if split in key), "val")
        raise ValueError(
            f"unknown split {name!r}. Known: {', '.join(SPLITS)}. "
            f'Write splits = {{ "{name}" = "{guess}" }} in the source'
        )
    return key


def stem_split(path: Path, source: SourceConfig) -> str | None:
    """The split that a file's name begins with: `train.json`, `val-00000-of-00002.parquet`."""
    for word in (path.stem, re.split(r"[-_.]", path.name)[0]):
        try:
            return parse_split(word, source.splits)
        except ValueError:
            continue
    return None


# --- boxes --------------------------------------------------------------------------------------


def _people(
    value: Any, source: SourceConfig, notes: list[Note]
) -> tuple[list[boxes.Box] | None, bool]:
    """Boxes, and whether they are in pixels still; None where the source did not look."""
    try:
        found = boxes.parse(value, source.boxes)
    except boxes.BoxError as error:
        notes.append(("boxes", _not_used(error)))
        return None, False
    if found is None:
        return None, False
    people, in_pixels = found
    if not in_pixels:
        notes.append(("boxes", "fractions" if people else "nobody, says the source"))
    return people, in_pixels


def _not_used(error: Exception) -> str:
    return f"not understood and not used ({error})"
