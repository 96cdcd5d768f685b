"""Pictures that img2dataset wrote sideways, with the turn that its `exif` field remembers.

The library decodes without looking at the orientation, encodes anew without EXIF, and keeps what
EXIF said as words beside the picture. The words are written back into the file as the one tag that
every reader knows; the compressed picture stays as it is.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

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


def turn_of(exif: Any) -> int:
    """The orientation (1 to 8) in img2dataset's `exif` field; 1 where it says none."""
    try:
        found = json.loads(exif) if isinstance(exif, str | bytes) else exif
        return _WORDS.get(str(found[_ENTRY]).strip().lower(), 1)
    except (ValueError, KeyError, TypeError, RecursionError):
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
