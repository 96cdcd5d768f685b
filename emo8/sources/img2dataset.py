"""What img2dataset writes: tables of pictures, folders of files, and the turn that it forgot.

A link that failed is a row without a picture, with its `status`. The library decodes without
looking at the orientation, encodes anew without EXIF, and keeps what EXIF said as words beside the
picture: they are written back into the file as the one tag that every reader knows, and the
compressed picture stays as it is.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import zlib
from collections.abc import Collection, Sequence
from typing import Any

from emo8.core.json_text import parse_json
from emo8.core.settings import SourceConfig
from emo8.sources.base import Candidate

STATUS, ARRIVED = "status", "success"
EXIF = "exif"
_OWN_COLUMNS = frozenset(("key", STATUS, "error_message"))
_PICTURES = ("jpg", "png", "webp")  # its formats, which name the column of pictures
# What it writes beside the folder 00000 of its files: a list of its links, and counts.
_LIST = re.compile(r"(.*?\d+)(?:\.parquet|_stats\.json)")
# exifread's words for the values of the EXIF tag Orientation.
_WORDS = {
    "mirrored horizontal": 2,
    "rotated 180": 3,
    "mirrored vertical": 4,
    "mirrored horizontal then rotated 90 ccw": 5,
    "rotated 90 cw": 6,
    "mirrored horizontal then rotated 90 cw": 7,
    "rotated 90 ccw": 8,
}
_ENTRY = "Image Orientation"
_PNG = b"\x89PNG\r\n\x1a\n"
_IHDR_END = 8 + 25  # signature, and the header's chunk


def wrote(columns: Collection[str]) -> bool:
    """Whether a table with these columns is one of img2dataset's, with pictures in it."""
    return _OWN_COLUMNS.issubset(columns) and any(name in columns for name in _PICTURES)


def with_columns(source: SourceConfig, columns: Sequence[str]) -> SourceConfig:
    """The source with img2dataset's name for the pictures, where the recipe gives none."""
    if "image" in source.columns or "image" in columns:
        return source
    picture = next(name for name in _PICTURES if name in columns)
    return dataclasses.replace(source, columns={"image": picture, **source.columns})


def list_beside(name: str, folders: Collection[str]) -> bool:
    """Whether a file is one of the lists that it writes beside a folder of its files."""
    found = _LIST.fullmatch(name)
    return found is not None and found[1] in folders


def upright(candidate: Candidate, exif: Any) -> Candidate:
    """The candidate with the turn that its `exif` field remembers written into the picture."""
    turn = turn_of(exif)
    if turn == 1 or candidate.data is None:
        return candidate
    return dataclasses.replace(candidate, data=with_turn(candidate.data, turn))


def turn_of(exif: Any) -> int:
    """The orientation (1 to 8) in img2dataset's `exif` field; 1 where it says none."""
    try:
        found = parse_json(exif) if isinstance(exif, str | bytes) else exif
        return _WORDS.get(str(found[_ENTRY]).strip().lower(), 1)
    except (ValueError, KeyError, TypeError):
        return 1


def with_turn(data: bytes, turn: int) -> bytes:
    """A JPEG or PNG that says its turn; unchanged where it says one itself, or is neither."""
    if turn == 1 or b"Exif\0\0" in data[:65536] or b"eXIf" in data[:65536]:
        return data
    # one directory with one entry: tag, type SHORT, count 1, value
    exif = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, turn, 0, 0)
    if data[:2] == b"\xff\xd8":
        body = b"Exif\0\0" + exif
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    if data[:8] == _PNG:
        chunk = b"eXIf" + exif
        sum_ = struct.pack(">I", zlib.crc32(chunk))
        piece = struct.pack(">I", len(exif)) + chunk + sum_
        return data[:_IHDR_END] + piece + data[_IHDR_END:]
    return data
