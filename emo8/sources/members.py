"""Members of zip and tar files: listed once, read by position, never unpacked to disk.

A member's name is provenance and nothing else: no path is ever made from it. Only plain files are
read; links, devices and the like are refused. A damaged archive gives what could be listed and one
line for the rest.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.sources.base import Candidate, from_bytes, listed_files, show_path
from emo8.sources.claims import Claims

PLAIN, REFUSED, DAMAGED = "plain", "refused", "damaged"
_COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
# How far a compressed tar is unpacked to list it: pictures hardly compress, bombs a thousandfold.
_MOST_RATIO, _MOST_UNPACKED = 100, 10_000_000
# What reading a hostile or broken archive can raise.
BROKEN = (
    OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, tarfile.TarError,
    zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Member:
    """One entry of an archive."""

    name: str
    position: int  # tar: offset of the bytes in the unpacked stream; zip: number of the entry
    size: int  # bytes as the archive states them
    kind: str  # PLAIN, REFUSED (not a plain file) or DAMAGED (the archive ends here)


def archives(source: SourceConfig, recipe_dir: Path) -> list[Path]:
    """The archive files a source names, sorted; SourceError for pipes, URLs and no match."""
    if "://" in source.path or source.path.startswith("pipe:"):
        raise SourceError(
            f"source {source.name!r}: path = {source.path!r}: only files on this machine are "
            "read; commands (pipe:) and URLs are refused"
        )
    paths = [path for path in listed_files(source, recipe_dir) if path.is_file()]
    if not paths:
        raise SourceError(f"source {source.name!r}: {source.path} is no file; check `path`")
    return paths


def list_members(path: Path) -> Iterator[Member]:
    """The members of one archive in stored order, folders and hidden files left out."""
    try:
        listing = _list_zip(path) if zipfile.is_zipfile(path) else _list_tar(path)
        yield from (member for member in listing if not _hidden(member.name))
    except BROKEN:
        yield Member(name="", position=0, size=0, kind=DAMAGED)


def _hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts)


def _list_zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as file:
        for number, info in enumerate(file.infolist()):
            if not info.is_dir():
                mode = info.external_attr >> 16
                plain = not stat.S_IFMT(mode) or stat.S_ISREG(mode)
                kind = PLAIN if plain else REFUSED
                yield Member(
                    name=_tidy(info.filename), position=number, size=info.file_size, kind=kind
                )


def _list_tar(path: Path) -> Iterator[Member]:
    with tarfile.open(path, "r:*", encoding="utf-8", errors="surrogateescape") as file:
        limit = _MOST_UNPACKED + _MOST_RATIO * path.stat().st_size
        for info in file:
            if not info.isdir():
                kind = PLAIN if info.isreg() and not info.issparse() else REFUSED
                yield Member(
                    name=_tidy(info.name), position=info.offset_data, size=info.size, kind=kind
                )
            if info.offset_data + info.size > limit:  # reading on would unpack a bomb
                yield Member(name="", position=0, size=0, kind=DAMAGED)
                return
            file.members = []  # type: ignore[attr-defined]  # a million members stay out of memory


def _tidy(name: str) -> str:
    """The name with slashes between folders: Windows programs write backslashes."""
    name = name.replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return name


def read_member(
    path: Path, shown: str, member: Member, max_bytes: int, claims: Claims
) -> Candidate:
    """The candidate for one member; nothing over `max_bytes` is unpacked even in memory."""
    reason = {REFUSED: "refused_path", DAMAGED: "unreadable"}.get(member.kind)
    if reason:
        return Candidate(source_path=shown, reason=reason, claims=claims)
    if member.size > max_bytes:
        return Candidate(
            source_path=shown, reason="too_many_bytes", value=member.size, claims=claims
        )
    try:
        data = read_bytes(path, member, max_bytes)
    except BROKEN as error:
        # the system's errors have numbers, those of a damaged archive have none
        away = isinstance(error, OSError) and error.errno is not None
        reason, cause = ("unreachable", error.strerror) if away else ("unreadable", None)  # type: ignore[union-attr]
        return Candidate(source_path=shown, reason=reason, detail=cause, claims=claims)
    if len(data) < member.size:
        return Candidate(source_path=shown, reason="truncated", value=len(data), claims=claims)
    return from_bytes(shown, data, max_bytes, claims)


def read_bytes(path: Path, member: Member, max_bytes: int) -> bytes:
    """At most `max_bytes` + 1 bytes of one plain member."""
    status = path.stat()
    opened = _opened(path, status.st_size, status.st_mtime_ns)
    if isinstance(opened, zipfile.ZipFile):
        with opened.open(opened.infolist()[member.position]) as file:
            return file.read(max_bytes + 1)
    opened.seek(member.position)
    return opened.read(min(member.size, max_bytes + 1))


@functools.lru_cache(maxsize=2)
def _opened(path: Path, size: int, changed: int) -> zipfile.ZipFile | IO[bytes]:
    """The archive, kept open in this process.

    Parts come in order, so a compressed tar is unpacked once per process and not once per part.
    """
    if zipfile.is_zipfile(path):
        return zipfile.ZipFile(path)
    with path.open("rb") as file:
        start = file.read(2)
    opener: Any = _COMPRESSED.get(start, open)
    return opener(path, "rb")


def shown_member(archive: str, name: str) -> str:
    """How a member is written in the provenance: `archive!member`."""
    return show_path(f"{archive}!{name}" if name else archive)
