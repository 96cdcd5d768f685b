"""What may be found in a published picture file besides its picture, in any of its formats."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple


class Finding(NamedTuple):
    """One thing in a picture file that is no part of its picture."""

    kind: str  # one of KINDS
    offset: int  # byte in the file at which it begins
    what: str  # where it was seen, in words; never its content

    def __str__(self) -> str:
        return f"{self.kind} at byte {self.offset} ({self.what})"


KINDS: dict[str, str] = {
    "exif": "camera metadata",
    "gps": "the place where the picture was taken",
    "maker_note": "the camera maker's own notes",
    "xmp": "XMP metadata of an editor",
    "iptc": "IPTC or Photoshop metadata",
    "icc_profile": "a colour profile; published pictures are sRGB without one",
    "thumbnail": "a small preview, perhaps of an older version",
    "comment": "a comment",
    "text": "a text chunk",
    "second_picture": "another picture, film or animation in the same file",
    "trailing_bytes": "bytes behind the end of the picture",
    "stray_bytes": "bytes between the parts of the file that no reader needs",
    "unknown": "a segment, chunk or box that no picture needs",
    "damaged": "the file does not follow its own format",
    "format": "a format that is never published",
}

_SUB_IFDS = {0x8769: "exif", 0x8825: "gps"}
_MAKER_NOTE, _PREVIEW = 0x927C, 0x0201


def exif(tiff: bytes, at: int, tiff_at: int) -> Iterator[Finding]:
    """An Exif segment at `at`, in whatever wrapper, then what the tag tables at `tiff_at` hold."""
    yield Finding("exif", at, "an Exif segment")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return
    waiting: list[int] = [struct.unpack_from(order + "I", tiff, 4)[0]]
    seen: set[int] = set()
    while waiting and len(seen) < 16:
        table = waiting.pop()
        if table in seen or table + 2 > len(tiff):
            continue
        seen.add(table)
        count = struct.unpack_from(order + "H", tiff, table)[0]
        end = min(table + 2 + 12 * count, len(tiff) - 12)
        for entry in range(table + 2, end + 1, 12):
            tag, _, _, value = struct.unpack_from(order + "HHII", tiff, entry)
            if tag in _SUB_IFDS:
                waiting.append(value)
            if tag == 0x8825:
                yield Finding("gps", tiff_at + value, "a GPS table in Exif")
            elif tag == _MAKER_NOTE:
                yield Finding("maker_note", tiff_at + value, "a maker note in Exif")
            elif tag == _PREVIEW:
                yield Finding("thumbnail", tiff_at + value, "a preview in Exif")
        if end + 4 <= len(tiff):
            following = table + 2 + 12 * count
            if following + 4 <= len(tiff):
                waiting.append(struct.unpack_from(order + "I", tiff, following)[0])


def trailing(data: bytes, at: int) -> Finding:
    """Bytes from `at` on, where the picture has ended."""
    rest = data[at : at + 64]
    film = rest[4:8] == b"ftyp"
    kind = "second_picture" if film or rest[:3] == b"\xff\xd8\xff" else "trailing_bytes"
    return Finding(kind, at, f"{len(data) - at} bytes behind the end of the picture")


def printable(name: str) -> str:
    """The name of a chunk or box as letters and digits."""
    return "".join(letter if letter.isalnum() else "?" for letter in name)
