"""Packs: what a fetch brought, one record per link, appended as it arrives.

A record is written with one call, so a worker that is killed leaves whole records and at most one
broken tail, which readers do not see. Pictures lie in a pack as they came and are read in place.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SUFFIX = ".pack"
_HEAD = struct.Struct("<4sII")  # magic, bytes of the JSON, bytes of the picture
_MAGIC = b"emo8"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What became of one link; the picture, if any, is the `size` bytes at `offset` of the pack."""

    url: str
    reason: str | None = None
    cause: str | None = None
    value: float | None = None
    size: int = 0
    offset: int = 0
    policy: str = ""  # under which rules it was fetched
    round: int = 0  # the how-manieth try of failed links

    @property
    def arrived(self) -> bool:
        return self.reason is None


class PackWriter:
    """Appends to one pack; the only writer of it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_APPEND)

    def add(self, entry: Entry, data: bytes | None) -> None:
        record = asdict(entry)
        del record["offset"], record["size"]
        text = json.dumps(record).encode()
        whole = b"".join((_HEAD.pack(_MAGIC, len(text), len(data or b"")), text, data or b""))
        view = memoryview(whole)
        while view:
            view = view[os.write(self.file, view) :]

    def close(self) -> None:
        os.close(self.file)


def entries(path: Path) -> Iterator[Entry]:
    """The whole records of a pack, in the order of their arrival, pictures left where they are."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            magic, num_text, num_data = _HEAD.unpack(head)
            text = file.read(num_text)
            offset = file.tell()
            if magic != _MAGIC or len(text) < num_text or offset + num_data > size:
                return
            record: dict[str, Any] = json.loads(text)
            yield Entry(**record, size=num_data, offset=offset)
            file.seek(num_data, os.SEEK_CUR)


def read_picture(pack: Path, offset: int, size: int) -> bytes:
    """The bytes of one picture."""
    with pack.open("rb") as file:
        file.seek(offset)
        return file.read(size)
