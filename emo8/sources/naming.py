"""What the folders and the name of a file say about the picture in it.

The benchmarks of this field label by folder: `anger/1.jpg`, `train/anger/1.jpg`,
`cartoon/anger/1.jpg`. `layout` says it in full, one word per folder below the source: "split",
"style", "emotion" or "*" for a folder that says nothing. Without it, `style_from = "folder"` is
the first folder (behind the split, if splits are kept), and `emotion_from = "folder"` the
picture's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from emo8.core import label_set
from emo8.core.errors import SourceError
from emo8.core.formats import SUFFIXES
from emo8.core.settings import SourceConfig
from emo8.sources.base import check_no_column, no_style
from emo8.sources.claims import parse_split

IMAGE_SUFFIXES = frozenset(SUFFIXES)
_PARSERS: dict[str, Callable[[str], str]] = {
    "split": parse_split,
    "style": label_set.parse_style,
    "emotion": label_set.parse_emotion,
}


def is_image_name(path: str) -> bool:
    """Whether the file's name promises a picture of a kind we read."""
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES


def path_claims(path: str, source: SourceConfig) -> dict[str, str]:
    """The words for split, style and emotion in a path inside the source, as far as asked for.

    They stay as they are written; `claims_from` maps them, as it does those of tables. A folder
    that names nothing known is an error for a picture; for any other file (a readme beside the
    folders) it is not, because that file leaves as `not_an_image` anyway.
    """
    claims: dict[str, str] = {}
    for what, word in _words(path, source).items():
        try:
            claims[what] = _known(what, word, source)
        except ValueError as error:
            if is_image_name(path):
                raise SourceError(_explain(what, path, source, error)) from None
    return claims


def whose(source: SourceConfig) -> dict[str, str]:
    """Whose word a picture's emotion and style are: folders, names of files or the sidecar."""
    levels, found = source.layout.split("/"), {}
    for name, option in (("emotion", source.emotion_from), ("style", source.style_from)):
        if name in levels or option == "folder":
            found[name] = "folders"
        elif option == "name":
            found[name] = "names of files"
        elif source.sidecar:
            found[name] = f"sidecar {source.sidecar}"
    return found


def _words(path: str, source: SourceConfig) -> dict[str, str | None]:
    """The folder or part of the name that stands for each claim; None where it is not there."""
    folders = list(PurePosixPath(path).parts[:-1])
    words: dict[str, str | None] = {}
    if source.layout:
        levels = source.layout.split("/")
        for level, what in enumerate(levels):
            if what != "*":
                words[what] = folders[level] if level < len(folders) else None
    else:
        if source.keep_splits:
            words["split"] = folders[0] if folders else None
        first = 1 if source.keep_splits else 0
        if source.style_from == "folder":
            words["style"] = folders[first] if first < len(folders) else None
        if source.emotion_from == "folder":
            words["emotion"] = folders[-1] if first < len(folders) else None
    if source.emotion_from == "name":  # ArtPhoto's "amusement_0001.jpg"
        words["emotion"] = re.sub(r"[_\-. ]*\d*$", "", PurePosixPath(path).stem)
    return words


def _known(what: str, word: str | None, source: SourceConfig) -> str:
    """The word, where the recipe maps it or it is one of ours; ValueError otherwise."""
    if word is None:
        raise ValueError(f"the picture lies in no folder that could name its {what}")
    mapping = {"style": source.styles, "emotion": source.emotions, "split": source.splits}[what]
    if word not in mapping:
        _PARSERS[what](word)
    return word


def _explain(what: str, path: str, source: SourceConfig, error: ValueError) -> str:
    fix = f"move it into one, or map names with {what}s = {{ name = ... }} in the recipe"
    if what == "split":
        fix = 'use folders named train, val and test, or say where they are with `layout = "…"`'
        fix += ", or map names with splits = { name = ... } in the recipe"
    return f"source {source.name!r}: {path} in {source.path}: {error}; {fix}"


def check_folder_style(source: SourceConfig, *, otherwise: bool) -> None:
    """Raise SourceError when nothing in the recipe says where the style comes from."""
    check_no_column(source, "style_from", ("folder",))
    check_no_column(source, "emotion_from", ("folder", "name"))
    from_folders = source.style_from == "folder" or "style" in source.layout.split("/")
    if not (from_folders or source.style or otherwise):
        raise no_style(source)
