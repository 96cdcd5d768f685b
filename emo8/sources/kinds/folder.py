"""A folder of pictures. Every file in it that is not hidden is an input, but those of builds.

Folder names can be claims (see `naming`). A sidecar table inside the folder (CSV, JSONL or parquet
with a `file` column) can add captions, licences and the like; so can texts beside the pictures
(see `beside`), which are no inputs. Where they differ, folder names win, then the sidecar.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emo8.core import inside
from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.engine import build_folder
from emo8.sources import beside, img2dataset, records
from emo8.sources.base import Candidate, Chunk, builds_note, check_columns, read_file, show_some
from emo8.sources.claims import CLAIM_COLUMNS, claims_from
from emo8.sources.cut import Cutter
from emo8.sources.emo8_release import with_layout
from emo8.sources.naming import (
    IMAGE_SUFFIXES,
    check_folder_style,
    is_image_name,
    path_claims,
    whose,
)


def plan(source: SourceConfig, recipe_dir: Path, part_rows: int) -> Iterator[Chunk]:
    """Chunks of the folder's files, sorted by path."""
    check_columns(source, CLAIM_COLUMNS)
    root = (recipe_dir / source.path).resolve()
    if not root.is_dir():
        raise SourceError(f"source {source.name!r}: {root} is not a folder; check `path`")
    source = with_layout(source, root)
    builds: list[str] = []
    files = sorted(_walk(root, builds), key=lambda file: os.fsencode(file[0]))
    files = [file for file in files if file[0] != source.sidecar]
    if not any(is_image_name(path) for path, _, _ in files):
        raise SourceError(
            f"source {source.name!r}: no images in {root} ({len(files)} files of other kinds); "
            f"looked for {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    found = beside.apart(files, source)
    files = found.inputs
    sidecar, notes = _read_sidecar(source, root, [path for path, _, _ in files])
    notes += builds_note(builds) + found.notes
    check_folder_style(source, otherwise=any("style" in record for record in sidecar.values()))
    for piece in Cutter(part_rows=part_rows).by_name(path for path, _, _ in files):
        batch = files[piece]
        texts = [beside.of_picture(path, found.texts) for path, _, _ in batch]
        items = tuple(
            (path, _claims_record(path, sidecar, source), *(text for text, _, _ in some))
            for (path, _, _), some in zip(batch, texts, strict=True)
        )
        stamp = tuple(
            (size, changed, *(time for _, _, time in some))
            for (_, size, changed), some in zip(batch, texts, strict=True)
        )
        yield Chunk(
            source=source,
            root=str(root),
            items=items,
            num_inputs=len(items),
            stamp=stamp,
            name=batch[0][0],
            notes=notes,
        )
        notes = ()


def read(chunk: Chunk, max_bytes: int) -> Iterator[Candidate]:
    """One candidate per file of the chunk."""
    root, source = Path(chunk.root), chunk.source
    for path, record, *texts in chunk.items:
        said = beside.read(root, texts, source) | record
        claims = claims_from(said, source, whose(source))
        found = read_file([root], path, max_bytes, claims, listed=True)
        yield img2dataset.upright(found, said.get(img2dataset.EXIF))


def _walk(root: Path, builds: list[str]) -> Iterator[tuple[str, int, int]]:
    """(path below root, size, time of last change) of every file that is not hidden.

    A folder that cannot be listed is an input itself, which then leaves with the cause. A build is
    passed over and put into `builds`.
    """
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            entries = list(os.scandir(root / below))
        except OSError:
            yield below, 0, 0
            continue
        if below and build_folder.is_build(root / below):
            builds.append(below)
            continue
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            else:
                status = entry.stat(follow_symlinks=False)
                yield path, status.st_size, status.st_mtime_ns


def _read_sidecar(
    source: SourceConfig, root: Path, files: list[str]
) -> tuple[dict[str, dict[str, Any]], tuple[tuple[str, str, int], ...]]:
    """What the sidecar says by file, and what it says of nothing, or twice, to be told."""
    if not source.sidecar:
        return {}, ()
    mapping = {name: source.columns.get(name, name) for name in CLAIM_COLUMNS}
    path = root / source.sidecar
    lines = records.read_all(path, {"file": "file", **mapping}, required=("file",), source=source)
    known, found = _by_spelling(files), dict[str, dict[str, Any]]()
    problems: dict[str, list[str]] = {}
    for line in lines:
        named = str(line.values.pop("file") or "")
        file = next((known[s] for s in _spellings(named) if s in known), None)
        if line.damaged:
            problems.setdefault("cannot be understood", []).append(f"line {line.number + 2}")
        elif file is None:
            problems.setdefault("fit no file here", []).append(named)
        elif file in found:
            problems.setdefault("name a file that an earlier one names: not used", []).append(named)
        else:
            found[file] = line.values
    notes = tuple(
        (f"sidecar {source.sidecar}", f"{what}: {show_some(names)}", len(names))
        for what, names in problems.items()
    )
    return found, notes


def _by_spelling(files: list[str]) -> dict[str, str]:
    """Each file by every spelling of its name; the file's own spelling wins."""
    other = {spelling: file for file in files for spelling in _spellings(file)}
    return other | {file: file for file in files}


def _spellings(name: str) -> Iterator[str]:
    """A name as written and as other machines write it: accents, backslashes, a leading `./`."""
    for spelling in inside.spellings(name):
        yield spelling
        yield posixpath.normpath(spelling) if spelling else spelling


def _claims_record(
    path: str, sidecar: dict[str, dict[str, Any]], source: SourceConfig
) -> dict[str, Any]:
    """What the sidecar and the folder names say about one file, as JSON values."""
    record = {**sidecar.get(path, {}), **path_claims(path, source)}
    return {key: value for key, value in record.items() if value is not None}
