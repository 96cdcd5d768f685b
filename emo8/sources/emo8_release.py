"""The folders in which Emo8 was released, `train|val|test/<emotion>/*`: `layout = "auto"`.

Folders that also name the style are understood too; where none does, CLIP claims it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from emo8.core import label_set
from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.sources.claims import parse_split

LAYOUTS = ("split/emotion", "split/style/emotion", "style/split/emotion")
_PARSERS: dict[str, Callable[[str], str]] = {
    "split": parse_split,
    "style": label_set.parse_style,
    "emotion": label_set.parse_emotion,
}


def with_layout(source: SourceConfig, root: Path) -> SourceConfig:
    """The source with `layout = "auto"` resolved by what the folders of `root` name.

    Its splits are kept; where no folder names the style, CLIP claims it. SourceError when the
    folders have another form.
    """
    if source.layout != "auto":
        return source
    found = layout(root)
    style = source.style or ("" if "style" in found.split("/") else "clip")
    return dataclasses.replace(source, layout=found, style=style, keep_splits=True)


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
        f"folder per emotion ({' or '.join(LAYOUTS)}). For another form write `layout` out"
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
