"""Which picture a request for removal means: a whole name, the start of an id, a path or a file.

Only whole names (hashes, ids, addresses) can stand on the removal list: a path names another
picture in another build. Everything else is looked up first, and must mean one picture.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from emo8.dataset import removal
from emo8.engine.build_folder import require_build
from emo8.review.find_rows import PictureIndex, pictures_of

_WHOLE = re.compile(r"\s*([0-9a-fA-F]{64}|[0-9a-fA-F]{16})\s*")
_START = re.compile(r"[0-9a-f]{6,63}")  # shorter ones are words as well
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a text of the user's means."""

    key: str | None  # for the list; None: it means no picture, or several
    rows: list[str]  # paths or addresses of the rows that are meant, in the given builds
    problem: str = ""  # why `key` is None, or `rows` empty


def name_one(text: str, builds: list[Path]) -> Named:
    """The picture that `text` means among the builds' rows, or among the files of this machine."""
    for build in builds:
        require_build(build)
    indices = [pictures_of(build) for build in builds]
    found = _whole_name(text, indices)
    if found.key is None:
        return found
    rows = [path for build in builds for path in removal.paths_of(found.key, build)]
    problem = "" if rows or not builds else _problem(text, indices)
    return Named(key=found.key, rows=rows, problem=problem)


def _whole_name(text: str, indices: list[PictureIndex]) -> Named:
    start = text.strip().lower().rstrip("…").removesuffix("...")
    if _START.fullmatch(start):
        ids = sorted({key for index in indices for key in index.by_id if key.startswith(start)})
        if len(ids) == 1:
            return Named(key=ids[0], rows=[])
        if ids:
            shown = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
            return Named(key=None, rows=[], problem=f"{len(ids)} ids start so: {shown}")
    if _WHOLE.fullmatch(text) or "://" in text:
        return Named(key=text, rows=[])
    keys = {key for index in indices if (key := index.find(text).id)}
    if len(keys) == 1:
        return Named(key=keys.pop(), rows=[])
    if Path(text).is_file():
        return Named(key=hashlib.sha256(Path(text).read_bytes()).hexdigest(), rows=[])
    return Named(key=None, rows=[], problem=_problem(text, indices))


def _problem(text: str, indices: list[PictureIndex]) -> str:
    """Why a text means nothing, with the nearest name that does."""
    if not indices:
        return "no id, hash, address or file; name a build that knows the picture with --from BUILD"
    said = [index.find(text).problem for index in indices]
    return next((one for one in said if "did you mean" in one), said[0]) or "several builds differ"
