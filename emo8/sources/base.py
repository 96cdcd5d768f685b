"""What every source shares: candidates, chunks, and reading one file or cell safely."""

from __future__ import annotations

import base64
import dataclasses
import errno
import hashlib
import json
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any

from emo8.core import inside
from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.core.suggest import suggest
from emo8.engine import build_folder
from emo8.sources.claims import Claims, with_picture

logger = logging.getLogger(__name__)
_MAX_PATH_CHARS = 4096  # longer texts are no paths
# Links that lead to themselves and names too long for the system: no later run will read them.
_NEVER = (errno.ELOOP, errno.ENAMETOOLONG)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One input: its bytes, or the reason why there are none."""

    source_path: str
    data: bytes | None = None
    reason: str | None = None
    value: float | None = None
    detail: str | None = None  # the cause in words, where there is more than the reason
    claims: Claims = field(default_factory=Claims)


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some consecutive inputs of one source: what `rows/part-N` is made from."""

    source: SourceConfig
    root: str  # absolute folder that the items are relative to
    items: tuple[Any, ...]  # JSON values that only the source's own reader understands
    num_inputs: int
    stamp: tuple[Any, ...]  # sizes and times of the files behind the items
    # what decides no byte of the part:
    name: str = ""  # of the first input: it moves only when that one does
    span: tuple[int, int] = (0, 0)  # lines of a list whose content is the stamp
    notes: tuple[tuple[str, str, int], ...] = ()  # topic, words, count: what planning has to say

    def fingerprint(self) -> str:
        """Hash of the source's options and of which files it read, when last changed."""
        options = dataclasses.asdict(self.source)
        default = {f.name: f.default for f in dataclasses.fields(self.source)}
        # An option that is not set is left out: one that is added later makes no old part stale.
        said = {name: value for name, value in options.items() if value not in (default[name], {})}
        content = [said, self.items, self.stamp]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def show_path(path: str) -> str:
    """`path` as text that any file can hold: undecodable bytes become backslash escapes."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def show_some(names: Sequence[str], most: int = 3) -> str:
    """The first of some names, as text for a message."""
    more = ", …" if len(names) > most else ""
    return ", ".join(show_path(name) for name in names[:most]) + more


def read_file(
    roots: Sequence[Path], name: str, max_bytes: int, claims: Claims, *, listed: bool = False
) -> Candidate:
    """The candidate for the file that `name` means under one of `roots`, and nowhere else.

    `listed` says that the file was seen there when the build was planned: one that is gone now has
    not said so itself, and is tried again by every run.
    """
    shown = show_path(name)

    def left(reason: str, value: float | None = None, detail: str | None = None) -> Candidate:
        return Candidate(
            source_path=shown, reason=reason, value=value, detail=detail, claims=claims
        )

    try:
        data = inside.read_plain(inside.find(name, *roots), max_bytes)
    except ValueError:
        return left("refused_path")
    except FileNotFoundError as error:
        dangling = any(os.path.lexists(root / name) for root in roots)
        away = not any(root.is_dir() for root in roots)
        if (listed or away) and not dangling:
            return left("unreachable", detail=error.strerror)
        return left("missing_file")
    except OSError as error:
        reason = "refused_path" if error.errno in _NEVER else "unreachable"
        return left(reason, detail=error.strerror)
    if len(data) > max_bytes:
        return left("too_many_bytes", inside.find(name, *roots).stat().st_size)
    return from_bytes(shown, data, max_bytes, claims)


def from_bytes(shown: str, data: bytes | None, max_bytes: int, claims: Claims) -> Candidate:
    """The candidate for bytes that a source already holds."""
    if data is None:
        return Candidate(source_path=shown, reason="no_image", claims=claims)
    if not data:
        return Candidate(source_path=shown, reason="empty", value=0, claims=claims)
    if len(data) > max_bytes:
        return Candidate(source_path=shown, reason="too_many_bytes", value=len(data), claims=claims)
    return Candidate(source_path=shown, data=data, claims=with_picture(claims, data))


def from_cell(
    cell: Any, number: str, roots: Sequence[Path], max_bytes: int, claims: Claims
) -> Candidate:
    """The candidate for an image cell of a table, whose row is shown as `number`.

    A cell is bytes, a struct with bytes or a path, a path below one of `roots`, a picture as base64
    text, or a list with one of these; anything else is a row that leaves with the reason.
    """

    def bad(why: str) -> Candidate:
        return Candidate(source_path=number, reason="bad_row", detail=why, claims=claims)

    if isinstance(cell, list) and cell:
        if len(cell) > 1:
            what = "numbers" if isinstance(cell[0], int | float) else "pictures"
            return bad(f"the image column holds a list of {len(cell)} {what}: one row each is read")
        cell = cell[0]
    shown, data = number, cell
    if isinstance(cell, dict):
        if not {"bytes", "path"} & cell.keys():
            return bad(f"the image column holds {', '.join(map(str, cell))}: no bytes and no path")
        data, path = cell.get("bytes"), cell.get("path")
        shown = show_path(f"{number}/{path}") if path else number
        data = path if data is None and path else data
    if isinstance(data, str):
        return _from_text(data, shown, number, roots, max_bytes, claims)
    if data in (None, []):
        return from_bytes(shown, None, max_bytes, claims)
    if not isinstance(data, bytes):
        return bad(f"the image column holds {type(data).__name__}: no picture")
    return from_bytes(shown, data, max_bytes, claims)


def _from_text(
    text: str, shown: str, number: str, roots: Sequence[Path], max_bytes: int, claims: Claims
) -> Candidate:
    """The candidate for a text in an image column: a path, or a picture written as base64."""
    if re.match(r"https?://", text):
        why = 'the image column holds links: use kind = "urls" with columns = { url = "…" }'
        return Candidate(source_path=number, reason="bad_row", detail=why, claims=claims)
    if text.startswith("data:image/") or len(text) > _MAX_PATH_CHARS:
        try:
            content = text.split(",", 1)[-1] if text.startswith("data:") else text
            data = base64.b64decode(content, validate=True)
        except ValueError:
            why = "the image column holds a long text that is no base64"
            return Candidate(source_path=number, reason="bad_row", detail=why, claims=claims)
        return from_bytes(number, data, max_bytes, claims)
    name = text.strip("'")  # the Abstract set writes its file names in single quotes
    found = read_file(roots, name, max_bytes, claims)
    return found if shown == number else dataclasses.replace(found, source_path=shown)


def check_columns(source: SourceConfig, known: tuple[str, ...]) -> None:
    """Raise SourceError when `columns` maps a name that means nothing to us."""
    for name in source.columns:
        if name not in known:
            raise SourceError(
                f"source {source.name!r}: columns has the unknown key {name!r}; "
                f"{suggest(name, known)}"
            )


def check_no_column(source: SourceConfig, option: str, known: tuple[str, ...]) -> None:
    """Raise SourceError when `style_from` or `emotion_from` names a column of a pathless source."""
    value = getattr(source, option)
    if value and value not in known:
        words = " or ".join(f'"{word}"' for word in known)
        claim = option.removesuffix("_from")
        where = "a `sidecar`" if source.kind == "folder" else 'a source of kind "table"'
        raise SourceError(
            f"source {source.name!r}: {option} = {value!r}, but kind = {source.kind!r} knows only "
            f"{words}; a column is named with columns = {{ {claim} = {value!r} }}, for {where}"
        )


def builds_note(builds: Sequence[str]) -> tuple[tuple[str, str, int], ...]:
    """What planning says of the builds that lie among a source's files and are left out."""
    if not builds:
        return ()
    return (("left out", f"folders that are builds: {show_some(sorted(builds))}", len(builds)),)


def listed_files(source: SourceConfig, recipe_dir: Path) -> list[Path]:
    """The files a source's path names, sorted, none of a build; SourceError where there is none."""
    pattern = recipe_dir / source.path
    try:
        paths = [Path(path) for path in sorted(glob(str(pattern), recursive=True))]
    except RecursionError:
        raise SourceError(
            f"source {source.name!r}: folders below {pattern} are nested too deeply to search"
        ) from None
    paths = _without_builds(paths, source, recipe_dir)
    if not paths:
        raise SourceError(f"source {source.name!r}: no file matches {pattern}; check `path`")
    return paths


def _without_builds(paths: list[Path], source: SourceConfig, recipe_dir: Path) -> list[Path]:
    """The files that a `**` found, but those in builds: a build that lies there is no input."""
    if not re.match(r"[^*?\[]*\*\*", source.path):  # builds that the user names are meant
        return paths
    root, builds = common_root(source, recipe_dir), set[Path]()
    for folder in {folder for path in paths for folder in path.parents}:
        if folder.is_relative_to(root) and folder != root and build_folder.is_build(folder):
            builds.add(folder)
    kept = [path for path in paths if builds.isdisjoint(path.parents)]
    if len(kept) < len(paths):
        names = show_some(sorted(str(folder.relative_to(root)) for folder in builds))
        logger.warning(
            "source %r: %d files left out that lie in builds: %s",
            source.name, len(paths) - len(kept), names,
        )  # fmt: skip
    return kept


def common_root(source: SourceConfig, recipe_dir: Path) -> Path:
    """The folder in front of the first wildcard of a source's path."""
    fixed = (recipe_dir / re.split(r"[*?\[]", source.path)[0]).absolute()
    return fixed if fixed.is_dir() else fixed.parent


def no_style(source: SourceConfig) -> SourceError:
    """The error for a source that gives no style in any way."""
    ways = {
        "folder": 'style_from = "folder", or a `sidecar` with the column `style`',
        "archive": 'style_from = "folder"',
    }
    return SourceError(
        f"source {source.name!r} ({source.path}) gives no style: set style to one of the five, "
        f'{ways.get(source.kind, "style_from to a column")}, or style = "clip" to let CLIP decide'
    )
