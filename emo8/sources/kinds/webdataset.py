"""WebDataset shards: tar files whose members `key.jpg`, `key.json`, `key.txt` make one sample.

Read with `tarfile` positions and an allow-list of members: one picture, `json` (claims, mapped by
`columns`), `txt` (caption) and any small text field that `columns` names, such as `cls`. Links,
devices and `pipe:` are refused; nothing is unpickled; members of other kinds are not opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.sources.base import (
    Candidate,
    Chunk,
    check_columns,
    common_root,
    no_style,
)
from emo8.sources.claims import CLAIM_COLUMNS, claims_from, stem_split
from emo8.sources.members import (
    PLAIN,
    Member,
    archives,
    list_members,
    read_bytes,
    read_member,
    shown_member,
)
from emo8.sources.naming import IMAGE_SUFFIXES

MAX_TEXT_BYTES = 1_000_000  # a claim file over this is no claim


def plan(source: SourceConfig, recipe_dir: Path, part_rows: int) -> Iterator[Chunk]:
    """Chunks of consecutive samples, shard by shard in sorted order."""
    check_columns(source, CLAIM_COLUMNS)
    if not (source.style or source.style_from or "style" in source.columns):
        raise no_style(source)
    root, found = common_root(source, recipe_dir), False
    for path in archives(source, recipe_dir):
        samples = list(_samples(path))
        found = found or any(_has_picture(fields) for _, fields in samples)
        status = path.stat()
        for start in range(0, len(samples), part_rows):
            batch = samples[start : start + part_rows]
            yield Chunk(
                source=source,
                root=str(root),
                items=(str(path.relative_to(root)), *batch),
                num_inputs=len(batch),
                stamp=(status.st_size, status.st_mtime_ns),
            )
    if not found:
        raise SourceError(f"source {source.name!r}: no samples with a picture in {source.path}")


def _has_picture(fields: dict[str, tuple[Any, ...]]) -> bool:
    """Whether a sample's image is a plain file, and not a refused or damaged entry."""
    return "image" in fields and fields["image"][-1] == PLAIN


def _samples(path: Path) -> Iterator[tuple[str, dict[str, tuple[Any, ...]]]]:
    """(key, field -> name, position, size, kind) of every sample; `image` is the picture."""
    for key, members in groupby(list_members(path), key=lambda member: _split_name(member)[0]):
        fields: dict[str, tuple[Any, ...]] = {}
        for member in members:
            field = _split_name(member)[1]
            # what is no plain file is an input of its own, so that it is refused by name
            if f".{field}" in IMAGE_SUFFIXES or member.kind != PLAIN:
                field = "image"
            fields[field] = (member.name, member.position, member.size, member.kind)
        yield key, fields


def _split_name(member: Member) -> tuple[str, str]:
    """Key and field of a member: the name up to the first dot of its last part, and the rest."""
    path = PurePosixPath(member.name)
    base, _, field = path.name.partition(".")
    return str(path.parent / base), field.lower()


def read(chunk: Chunk, max_bytes: int) -> Iterator[Candidate]:
    """One candidate per sample of the chunk."""
    shard, *samples = chunk.items
    path = Path(chunk.root) / shard
    for key, fields in samples:
        record = _record(path, fields, chunk.source)
        if chunk.source.keep_splits:
            record.setdefault("split", stem_split(path, chunk.source))
        claims = claims_from(record, chunk.source)
        if "image" not in fields:
            shown = shown_member(shard, key)
            yield Candidate(source_path=shown, reason="no_image", claims=claims)
            continue
        name, position, size, kind = fields["image"]
        member = Member(name=name, position=position, size=size, kind=kind)
        yield read_member(path, shown_member(shard, name), member, max_bytes, claims)


def _record(path: Path, fields: dict[str, Any], source: SourceConfig) -> dict[str, Any]:
    """Claims of one sample under our names; damaged or oversized claim files claim nothing."""
    found: dict[str, Any] = {}
    wanted = {"json", "txt", *source.columns.values(), source.style_from, source.emotion_from}
    for field in sorted(wanted & fields.keys() - {"image"}):
        name, position, size, kind = fields[field]
        if kind == PLAIN and size <= MAX_TEXT_BYTES:
            member = Member(name=name, position=position, size=size, kind=kind)
            text = read_bytes(path, member, MAX_TEXT_BYTES).decode("utf-8", errors="replace")
            found.update(_json_object(text) if field == "json" else {field: text})
    names = {name: name for name in CLAIM_COLUMNS} | {"caption": "txt"} | source.columns
    if source.style_from:
        names["style"] = source.style_from
    if source.emotion_from:
        names["emotion"] = source.emotion_from
    record = {ours: found[theirs] for ours, theirs in names.items() if theirs in found}
    for plain_name in ("caption", "txt"):  # where the mapped field of a sample is missing
        if plain_name in found:
            record.setdefault("caption", found[plain_name])
    return record


def _json_object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
