"""What a published picture file holds besides its picture, with the byte offset of each find.

The gate and `emo8 publish --audit` call `scan` on every published file. It shares no code with the
writer (`emo8/dataset/published_picture.py`): one reads by allow-list to copy, the other to accuse,
so that a mistake in one does not hide in the other. Sources: ITU-T T.81 (JPEG), PNG third edition,
RFC 9649 (WebP); of AVIF in `avif_scan.py`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from emo8.publish.avif_scan import avif
from emo8.publish.findings import Finding, exif, printable, trailing

# Marks that none of the allowed parts can hold, looked for in the whole file as a second witness.
_MARKS: dict[bytes, str] = {
    b"Exif\0\0": "exif",
    b"http://ns.adobe.com/": "xmp",
    b"<x:xmpmeta": "xmp",
    b"<?xpacket": "xmp",
    b"Photoshop 3.0": "iptc",
    b"ICC_PROFILE\0": "icc_profile",
    b"MotionPhoto": "second_picture",
}
_MARK = re.compile(b"|".join(map(re.escape, _MARKS)))


def scan(data: bytes) -> list[Finding]:
    """Everything in a picture file that is no part of its picture; empty when it is clean."""
    if data[:2] == b"\xff\xd8":
        read = _jpeg
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        read = _png
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        read = _webp
    elif data[4:12] == b"ftypavif":
        read = avif
    else:
        return [Finding("format", 0, "neither JPEG, PNG, WebP nor AVIF")]
    found: list[Finding] = []
    try:
        found.extend(read(data))
    except (IndexError, struct.error):  # a table that points outside the file
        found.append(Finding("damaged", len(data), "a field that leads outside the file"))
    known = {item.kind for item in found}
    for match in _MARK.finditer(data):
        kind = _MARKS[match[0]]
        if kind not in known:
            found.append(Finding(kind, match.start(), "its mark in the bytes of another part"))
    return sorted(found, key=lambda item: item.offset)


# JPEG


_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_CODING = frozenset((0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD))  # frames, Huffman and other tables
_APP: tuple[tuple[bytes, str, str], ...] = (
    (b"http://ns.adobe.com/", "xmp", "an XMP segment"),
    (b"Photoshop", "iptc", "a Photoshop segment"),
    (b"ICC_PROFILE", "icc_profile", "a profile segment"),
    (b"MPF\0", "second_picture", "a multi-picture index"),
    (b"JFXX", "thumbnail", "a JFXX preview"),
)


def _jpeg(data: bytes) -> Iterator[Finding]:
    at = 2
    while True:
        marker_at = data.find(b"\xff", at)
        if marker_at < 0 or marker_at + 4 > len(data):
            yield from _jpeg_tail(data, at)
            return
        if marker_at > at:
            yield Finding("stray_bytes", at, f"{marker_at - at} bytes before a marker")
        marker = data[marker_at + 1]
        if marker == 0xFF:
            yield Finding("stray_bytes", marker_at, "a fill byte")
            at = marker_at + 1
            continue
        if marker == 0xD9:
            yield from _jpeg_tail(data, marker_at)
            return
        size = int.from_bytes(data[marker_at + 2 : marker_at + 4])
        end = marker_at + 2 + size
        if size < 2 or end > len(data):
            yield Finding("damaged", marker_at, "a segment longer than the file")
            return
        yield from _segment(marker, data[marker_at + 4 : end], marker_at)
        at = end
        if marker == 0xDA:
            behind = _SCAN_END.search(data, end)
            at = behind.start() if behind else len(data)


def _jpeg_tail(data: bytes, at: int) -> Iterator[Finding]:
    if data[at : at + 2] != b"\xff\xd9":
        yield Finding("damaged", min(at, len(data)), "no end-of-image marker")
    elif at + 2 < len(data):
        yield trailing(data, at + 2)


def _segment(marker: int, body: bytes, at: int) -> Iterator[Finding]:
    if marker in _CODING or marker == 0xDA:
        return
    if marker == 0xFE:
        yield Finding("comment", at, "a COM segment")
    elif marker == 0xE0 and body[:5] == b"JFIF\0":
        if len(body) != 14 or body[12:14] != b"\0\0":
            yield Finding("thumbnail", at, "a preview in the JFIF segment")
    elif marker == 0xEE and body[:5] == b"Adobe":
        if len(body) != 12:
            yield Finding("text", at, "more than the colour transform in the Adobe segment")
    elif body[:4] == b"Exif":
        yield from exif(body[6:], at, at + 10)
    else:
        for start, kind, what in _APP:
            if body.startswith(start):
                yield Finding(kind, at, what)
                return
        yield Finding("unknown", at, f"segment FF{marker:02X}")


# PNG and WebP: chunks


_PNG_NEEDED = frozenset("IHDR PLTE IDAT IEND tRNS sRGB".split())
_PNG_KINDS = {
    "tEXt": "text", "zTXt": "text", "iTXt": "text", "eXIf": "exif", "iCCP": "icc_profile",
    "acTL": "second_picture", "fcTL": "second_picture", "fdAT": "second_picture",
}  # fmt: skip


def _png(data: bytes) -> Iterator[Finding]:
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        name = data[at + 4 : at + 8].decode("latin-1")
        body_at, at_next = at + 8, at + 12 + size
        if at_next > len(data):
            break
        if name == "eXIf":
            yield from exif(data[body_at : body_at + size], at, body_at)
        elif name not in _PNG_NEEDED:
            kind = _PNG_KINDS.get(name, "unknown")
            if name == "iTXt" and data[body_at : body_at + 17] == b"XML:com.adobe.xmp":
                kind = "xmp"
            yield Finding(kind, at, f"chunk {printable(name)}")
        if name == "IEND":
            if at_next < len(data):
                yield trailing(data, at_next)
            return
        at = at_next
    yield Finding("damaged", min(at, len(data)), "no IEND chunk")


_WEBP_KINDS = {
    "ICCP": "icc_profile", "XMP ": "xmp", "ANIM": "second_picture", "ANMF": "second_picture",
}  # fmt: skip


def _webp(data: bytes) -> Iterator[Finding]:
    end = 8 + int.from_bytes(data[4:8], "little")
    at, pictures = 12, 0
    while at + 8 <= min(end, len(data)):
        name = data[at : at + 4].decode("latin-1")
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > len(data):
            yield Finding("damaged", at, "a chunk longer than the file")
            return
        if name in ("VP8 ", "VP8L"):
            pictures += 1
            if pictures > 1:
                yield Finding("second_picture", at, f"another chunk {name.strip()}")
        elif name == "EXIF":
            body = data[at + 8 : at + 8 + size]
            skip = 6 if body[:6] == b"Exif\0\0" else 0
            yield from exif(body[skip:], at, at + 8 + skip)
        elif name not in ("VP8X", "ALPH"):
            yield Finding(_WEBP_KINDS.get(name, "unknown"), at, f"chunk {printable(name)}")
        at += 8 + size
        if size % 2:
            if data[at : at + 1] not in (b"\0", b""):
                yield Finding("stray_bytes", at, "a padding byte that is not zero")
            at += 1
    if end < len(data):
        yield trailing(data, end)
    elif end > len(data):
        yield Finding("damaged", len(data), "the file ends before its own size")
    elif at < end:
        yield Finding("stray_bytes", at, "bytes behind the last chunk")
