"""What a published picture file holds besides its picture, with the byte offset of each find.

The gate and `emo8 publish --audit` call `scan` on every published file. It shares no code with the
writer (`emo8/dataset/published_picture.py`): one reads by allow-list to copy, the other to accuse,
so that a mistake in one does not hide in the other. Sources: ITU-T T.81 (JPEG), PNG third edition,
RFC 9649 (WebP), ISO/IEC 14496-12 and AV1-AVIF (AVIF).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
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
        read = _avif
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
        yield _trailing(data, at + 2)


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
        yield from _exif(body[6:], at, at + 10)
    else:
        for start, kind, what in _APP:
            if body.startswith(start):
                yield Finding(kind, at, what)
                return
        yield Finding("unknown", at, f"segment FF{marker:02X}")


# Exif, in whatever wrapper

_SUB_IFDS = {0x8769: "exif", 0x8825: "gps"}
_MAKER_NOTE, _PREVIEW = 0x927C, 0x0201


def _exif(tiff: bytes, at: int, tiff_at: int) -> Iterator[Finding]:
    """The segment itself, then what its tag tables point to."""
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
            yield from _exif(data[body_at : body_at + size], at, body_at)
        elif name not in _PNG_NEEDED:
            kind = _PNG_KINDS.get(name, "unknown")
            if name == "iTXt" and data[body_at : body_at + 17] == b"XML:com.adobe.xmp":
                kind = "xmp"
            yield Finding(kind, at, f"chunk {_printable(name)}")
        if name == "IEND":
            if at_next < len(data):
                yield _trailing(data, at_next)
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
            yield from _exif(body[skip:], at, at + 8 + skip)
        elif name not in ("VP8X", "ALPH"):
            yield Finding(_WEBP_KINDS.get(name, "unknown"), at, f"chunk {_printable(name)}")
        at += 8 + size
        if size % 2:
            if data[at : at + 1] not in (b"\0", b""):
                yield Finding("stray_bytes", at, "a padding byte that is not zero")
            at += 1
    if end < len(data):
        yield _trailing(data, end)
    elif end > len(data):
        yield Finding("damaged", len(data), "the file ends before its own size")
    elif at < end:
        yield Finding("stray_bytes", at, "bytes behind the last chunk")


# AVIF: boxes


class _Box(NamedTuple):
    name: str
    at: int  # where its header begins
    body: int  # where its content begins
    end: int


def _boxes(data: bytes, at: int, end: int) -> Iterator[_Box]:
    while at + 8 <= end:
        size, body = int.from_bytes(data[at : at + 4]), at + 8
        if size == 1 and at + 16 <= end:
            size, body = int.from_bytes(data[at + 8 : at + 16]), at + 16
        elif size == 0:
            size = end - at
        name = data[at + 4 : at + 8].decode("latin-1")
        if size < body - at or at + size > end:
            yield _Box("damaged", at, at, end)
            return
        yield _Box(name, at, body, at + size)
        at += size
    if at < end:
        yield _Box("damaged", at, at, end)


_AVIF_META = frozenset("hdlr pitm iloc iinf iprp iref dinf".split())
_AVIF_PROPERTIES = frozenset("ispe pixi av1C colr pasp clap irot imir".split())


def _avif(data: bytes) -> Iterator[Finding]:
    stored: list[_Box] = []
    items: list[tuple[int, int]] = []
    for box in _boxes(data, 0, len(data)):
        if box.name == "meta":
            yield from _avif_meta(data, box, items)
        elif box.name == "mdat":
            stored.append(box)
        elif box.name == "moov":
            yield Finding("second_picture", box.at, "a film (box moov)")
        elif box.name == "damaged":
            yield Finding("trailing_bytes", box.at, "bytes that are no box")
        elif box.name != "ftyp":
            yield Finding("unknown", box.at, f"box {_printable(box.name)}")
    for box in stored:
        yield from _unused(box, items)


def _avif_meta(data: bytes, meta: _Box, items: list[tuple[int, int]]) -> Iterator[Finding]:
    boxes = {box.name: box for box in _boxes(data, meta.body + 4, meta.end)}
    for name, box in boxes.items():
        if name not in _AVIF_META:
            yield Finding("unknown", box.at, f"box {_printable(name)} in meta")
    if "hdlr" in boxes and data[boxes["hdlr"].body + 24 : boxes["hdlr"].end].strip(b"\0"):
        yield Finding("text", boxes["hdlr"].body + 24, "a name in the handler box")
    if "iprp" in boxes:
        yield from _avif_properties(data, boxes["iprp"])
    places = _item_places(data, boxes.get("iloc"))
    first = True
    for item, kind, mime in _items(data, boxes.get("iinf")):
        for start, end in places.get(item, ()):
            items.append((start, end))
            if kind == "Exif":
                tiff = start + 4 + int.from_bytes(data[start : start + 4])
                yield from _exif(data[tiff:end], start, tiff)
            elif kind == "mime":
                yield Finding("xmp" if b"xml" in mime else "unknown", start, "a metadata item")
            elif kind == "av01" and first:
                yield from _obus(data, start, end)
            else:
                yield Finding("second_picture", start, f"another item {_printable(kind)}")
        first = first and kind != "av01"


def _avif_properties(data: bytes, iprp: _Box) -> Iterator[Finding]:
    for box in _boxes(data, iprp.body, iprp.end):
        for item in _boxes(data, box.body, box.end) if box.name == "ipco" else ():
            if item.name == "colr" and data[item.body : item.body + 4] != b"nclx":
                yield Finding("icc_profile", item.at, "a profile in box colr")
            elif item.name not in _AVIF_PROPERTIES:
                yield Finding("unknown", item.at, f"property {_printable(item.name)}")


def _items(data: bytes, iinf: _Box | None) -> Iterator[tuple[int, str, bytes]]:
    """Number, kind and MIME type of every item."""
    if iinf is None:
        return
    head = 6 if data[iinf.body] == 0 else 8
    for box in _boxes(data, iinf.body + head, iinf.end):
        wide = data[box.body] > 2
        width = 4 if wide else 2
        start = box.body + 4
        number = int.from_bytes(data[start : start + width])
        kind = data[start + width + 2 : start + width + 6].decode("latin-1")
        yield number, kind, data[start + width + 6 : box.end]


def _item_places(data: bytes, iloc: _Box | None) -> dict[int, list[tuple[int, int]]]:
    """Byte ranges of every item. Source: ISO/IEC 14496-12, 8.11.3."""
    if iloc is None:
        return {}
    version, at = data[iloc.body], iloc.body + 4
    sizes = data[at] >> 4, data[at] & 15, data[at + 1] >> 4, data[at + 1] & 15
    at += 2

    def number(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(data[at - size : at])

    places: dict[int, list[tuple[int, int]]] = {}
    for _ in range(number(4 if version == 2 else 2)):
        if at >= iloc.end:
            break
        item = number(4 if version == 2 else 2)
        if version:
            number(2)  # where offsets count from: the file, in every AVIF
        number(2)
        base = number(sizes[2])
        ranges = []
        for _ in range(min(number(2), 1 if not sizes[1] else 65535)):
            if version and sizes[3]:
                number(sizes[3])
            start = base + number(sizes[0])
            ranges.append((start, start + number(sizes[1])))
        places[item] = ranges
    return places


def _unused(box: _Box, items: Iterable[tuple[int, int]]) -> Iterator[Finding]:
    """Bytes of a data box that belong to no item."""
    at = box.body
    for start, end in sorted(items):
        if box.body <= start < box.end:
            if start > at:
                yield Finding("stray_bytes", at, f"{start - at} bytes in no item")
            at = max(at, end)
    if at < box.end:
        yield Finding("stray_bytes", at, f"{box.end - at} bytes in no item")


def _obus(data: bytes, at: int, end: int) -> Iterator[Finding]:
    """Metadata and padding units in an AV1 stream. Source: AV1 specification, 5.3."""
    while at < end:
        header, start = data[at], at
        kind, at = header >> 3 & 15, at + (2 if header & 4 else 1)
        size = end - at
        if header & 2:
            size = shift = 0
            while at < end:
                size |= (data[at] & 127) << shift
                at, shift = at + 1, shift + 7
                if not data[at - 1] & 128:
                    break
        if kind in (5, 15):
            yield Finding("unknown", start, "a metadata or padding unit in the AV1 stream")
        at += size


def _trailing(data: bytes, at: int) -> Finding:
    rest = data[at : at + 64]
    film = rest[4:8] == b"ftyp"
    kind = "second_picture" if film or rest[:3] == b"\xff\xd8\xff" else "trailing_bytes"
    return Finding(kind, at, f"{len(data) - at} bytes behind the end of the picture")


def _printable(name: str) -> str:
    return "".join(letter if letter.isalnum() else "?" for letter in name)
