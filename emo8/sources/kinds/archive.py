"""Zip and tar files of pictures, one or a glob. Every plain member that is not hidden is an input.

Nothing is unpacked to disk. Folder names inside the archive can be claims, as in a folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.sources.base import Candidate, Chunk, check_columns, common_root
from emo8.sources.claims import claims_from
from emo8.sources.cut import Cutter
from emo8.sources.members import (
    DAMAGED,
    Member,
    archives,
    list_members,
    read_member,
    shown_member,
)
from emo8.sources.naming import check_folder_style, is_image_name, path_claims, whose


def plan(source: SourceConfig, recipe_dir: Path, part_rows: int) -> Iterator[Chunk]:
    """Chunks of consecutive members, archive by archive in sorted order."""
    check_columns(source, ())
    check_folder_style(source, otherwise=False)
    root, found = common_root(source, recipe_dir), False
    cutter = Cutter(part_rows=part_rows)
    for path in archives(source, recipe_dir):
        members = list(list_members(path))
        found = found or any(is_image_name(member.name) for member in members)
        status = path.stat()
        for piece in cutter.by_name(member.name for member in members):
            items = tuple(_item(member, source) for member in members[piece])
            yield Chunk(
                source=source,
                root=str(root),
                items=(str(path.relative_to(root)), *items),
                num_inputs=len(items),
                stamp=(status.st_size, status.st_mtime_ns),
                name=f"{path.name}/{members[piece.start].name}",
            )
    if not found:
        raise SourceError(
            f"source {source.name!r}: no images in {source.path}: no zip or tar file, or one "
            "without pictures"
        )


def _item(member: Member, source: SourceConfig) -> tuple[object, ...]:
    claims = {} if member.kind == DAMAGED else path_claims(member.name, source)
    return member.name, member.position, member.size, member.kind, claims


def read(chunk: Chunk, max_bytes: int) -> Iterator[Candidate]:
    """One candidate per member of the chunk."""
    archive, *items = chunk.items
    path = Path(chunk.root) / archive
    for name, position, size, kind, record in items:
        member = Member(name=name, position=position, size=size, kind=kind)
        claims = claims_from(record, chunk.source, whose(chunk.source))
        yield read_member(path, shown_member(archive, name), member, max_bytes, claims)
