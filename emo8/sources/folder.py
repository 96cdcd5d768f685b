"""A folder of pictures. Every file in it that is not hidden is an input.

Folder names can be claims (see `naming`). A sidecar table inside the folder (CSV, JSONL or parquet
with a `file` column) can add captions, licences and the like.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.sources import records
from emo8.sources.base import (
    CLAIM_COLUMNS,
    Candidate,
    Chunk,
    check_columns,
    claims_from,
    read_file,
)
from emo8.sources.emo8_release import with_layout
from emo8.sources.naming import IMAGE_SUFFIXES, check_folder_style, is_image_name, path_claims


def plan(source: SourceConfig, recipe_dir: Path, part_rows: int) -> Iterator[Chunk]:
    """Chunks of the folder's files, sorted by path."""
    check_columns(source, CLAIM_COLUMNS)
    root = (recipe_dir / source.path).resolve()
    if not root.is_dir():
        raise SourceError(f"source {source.name!r}: {root} is not a folder; check `path`")
    source = with_layout(source, root)
    files = sorted(_walk(root, ""), key=lambda file: os.fsencode(file[0]))
    files = [file for file in files if file[0] != source.sidecar]
    if not any(is_image_name(path) for path, _, _ in files):
        raise SourceError(
            f"source {source.name!r}: no images in {root} ({len(files)} files of other kinds); "
            f"looked for {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    sidecar = _read_sidecar(source, root)
    check_folder_style(source, otherwise=any("style" in record for record in sidecar.values()))
    for start in range(0, len(files), part_rows):
        batch = files[start : start + part_rows]
        items = tuple((path, _claims_record(path, sidecar, source)) for path, _, _ in batch)
        stamp = tuple((size, changed) for _, size, changed in batch)
        yield Chunk(source=source, root=str(root), items=items, num_inputs=len(items), stamp=stamp)


def read(chunk: Chunk, max_bytes: int) -> Iterator[Candidate]:
    """One candidate per file of the chunk."""
    for path, record in chunk.items:
        yield read_file(Path(chunk.root), path, max_bytes, claims_from(record, chunk.source))


def _walk(root: Path, below: str) -> Iterator[tuple[str, int, int]]:
    """(path below root, size, time of last change) of every file that is not hidden."""
    for entry in os.scandir(root / below):
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path)
        else:
            status = entry.stat(follow_symlinks=False)
            yield path, status.st_size, status.st_mtime_ns


def _read_sidecar(source: SourceConfig, root: Path) -> dict[str, dict[str, Any]]:
    if not source.sidecar:
        return {}
    path = root / source.sidecar
    mapping = {name: source.columns.get(name, name) for name in CLAIM_COLUMNS}
    lines = records.read_all(path, {"file": "file", **mapping}, required=("file",), source=source)
    return {str(line.values.pop("file")): line.values for line in lines}


def _claims_record(
    path: str, sidecar: dict[str, dict[str, Any]], source: SourceConfig
) -> dict[str, Any]:
    """What the sidecar and the folder names say about one file, as JSON values."""
    record = {**sidecar.get(path, {}), **path_claims(path, source)}
    return {key: value for key, value in record.items() if value is not None}
