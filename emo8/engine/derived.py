"""What was made of builds and datasets outside of their folders: releases, sheets, caches, runs.

A removed picture may be there too, so every command that writes such a place notes it, one JSON
line each with what it was made of. The notes belong to the person, as the removal list does: they
lie in `EMO8_DERIVED`, by default in the user's data folder, and name places on this machine only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from emo8.engine.files import write_text
from emo8.engine.own_files import own_file

VARIABLE = "EMO8_DERIVED"


class Derived(NamedTuple):
    """One place and what it was made of."""

    kind: str  # in words, for example "release" or "cache of views"
    path: Path
    made_of: Path


def notes_path() -> Path:
    """Where the notes lie: `EMO8_DERIVED`, else `~/.local/share/emo8/derived.jsonl`."""
    return own_file(VARIABLE, "derived.jsonl")


def note(kind: str, path: Path, made_of: str | Path) -> None:
    """Remember that `path` was made of a folder or file on this machine; anything else is passed.

    What is no longer there is forgotten. Notes that cannot be written stop nobody.
    """
    origin, place, notes = Path(made_of), path.resolve(), notes_path()
    if not origin.exists() or notes == Path(os.devnull):
        return
    new = Derived(kind, place, origin.resolve())
    try:
        notes.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(notes.with_name(f".{notes.name}.lock"), timeout=10):
            known = [one for one in _read(notes) if one.path.exists() and one != new]
            lines = [json.dumps([one.kind, str(one.path), str(one.made_of)]) for one in known]
            lines.append(json.dumps([kind, str(new.path), str(new.made_of)]))
            write_text(notes, "\n".join(lines) + "\n")
    except OSError:  # no home that can be written to; a time-out is one too
        return


def made_of(roots: Iterable[Path]) -> list[Derived]:
    """What is there still of what was made of any of `roots`, or of what was made of those."""
    open_roots, found = [root.resolve() for root in roots], dict[Path, Derived]()
    known = [one for one in _read(notes_path()) if one.path.exists()]
    while open_roots:
        root = open_roots.pop()
        for one in known:
            inside = one.made_of == root or root in one.made_of.parents
            if inside and one.path not in found and one.path != root:
                found[one.path] = one
                open_roots.append(one.path)
    return list(found.values())


def _read(path: Path) -> list[Derived]:
    """The notes; a line that is none is passed over."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            kind, place, origin = json.loads(line)
            found.append(Derived(kind, Path(place), Path(origin)))
        except (ValueError, TypeError):
            continue
    return found
