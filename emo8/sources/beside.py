"""Texts beside the pictures of a folder: `a.json` and `a.txt` beside `a.jpg`.

They belong to the picture and are no inputs. A JSON object holds claims by name, as a line of a
sidecar does, and img2dataset's `exif`. A text is the caption only where the recipe says
`columns = { caption = "txt" }`: such files hold the boxes of a detector as often.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emo8.core import inside
from emo8.core.json_text import parse_json
from emo8.core.settings import SourceConfig
from emo8.sources import img2dataset
from emo8.sources.claims import CLAIM_COLUMNS
from emo8.sources.naming import is_image_name

MAX_TEXT_BYTES = 1_000_000  # a claim file over this is no claim
_TEXTS = (".json", ".txt")
File = tuple[str, int, int]  # path below the folder, size in bytes, time of last change
Note = tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class Apart:
    """The files of a folder: what is an input, and what belongs to one."""

    inputs: list[File]
    texts: dict[str, list[File]]  # by "folder/stem" of a picture
    notes: tuple[Note, ...]


def apart(files: Sequence[File], source: SourceConfig) -> Apart:
    """Tell inputs from the texts beside them and from img2dataset's own lists."""
    stems = {posixpath.splitext(path)[0] for path, _, _ in files if is_image_name(path)}
    folders = {posixpath.dirname(path) for path, _, _ in files}
    inputs: list[File] = []
    texts: dict[str, list[File]] = {}
    num_lists = 0
    for file in files:
        stem, suffix = posixpath.splitext(file[0])
        if suffix.lower() in _TEXTS and stem in stems:
            texts.setdefault(stem, []).append(file)
        elif img2dataset.list_beside(file[0], folders):
            num_lists += 1
        else:
            inputs.append(file)
    return Apart(inputs=inputs, texts=texts, notes=_notes(texts, num_lists, source))


def of_picture(path: str, texts: dict[str, list[File]]) -> list[File]:
    """The texts beside a picture; none for other files."""
    return texts.get(posixpath.splitext(path)[0], []) if is_image_name(path) else []


def read(root: Path, paths: Sequence[str], source: SourceConfig) -> dict[str, Any]:
    """What the texts beside a picture say, under our names; what cannot be read says nothing."""
    found: dict[str, Any] = {}
    for path in paths:
        try:
            data = inside.read_plain(inside.find(path, root), MAX_TEXT_BYTES)
        except (OSError, ValueError):
            continue
        if len(data) > MAX_TEXT_BYTES:
            continue
        text = data.decode("utf-8-sig", errors="replace")
        if path.lower().endswith(".json"):
            found.update(json_object(text))
        elif _reads_txt(source):
            found["txt"] = text
    names = {name: source.columns.get(name, name) for name in CLAIM_COLUMNS}
    names[img2dataset.EXIF] = img2dataset.EXIF
    return {ours: found[theirs] for ours, theirs in names.items() if theirs in found}


def json_object(text: str) -> dict[str, Any]:
    """The object in a JSON text; empty for anything else."""
    try:
        content = parse_json(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _reads_txt(source: SourceConfig) -> bool:
    return source.columns.get("caption") == "txt"


def _notes(texts: dict[str, list[File]], num_lists: int, source: SourceConfig) -> tuple[Note, ...]:
    """What a build says of the files that are no inputs."""
    suffixes = [
        posixpath.splitext(path)[1].lower() for some in texts.values() for path, _, _ in some
    ]
    txt = 'not read; columns = { caption = "txt" } reads them as captions'
    if _reads_txt(source):
        txt = "read as captions"
    said = (
        ("texts beside pictures", "json, read as claims", suffixes.count(".json")),
        ("texts beside pictures", f"txt, {txt}", suffixes.count(".txt")),
        ("tables", "img2dataset's own lists, no inputs", num_lists),
    )
    return tuple(note for note in said if note[2])
