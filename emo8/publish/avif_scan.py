"""What an AVIF file holds besides its picture: a tree of boxes, items and where their bytes lie.

Sources: ISO/IEC 14496-12 and AV1-AVIF.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from emo8.publish.findings import Finding, exif, printable


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


def avif(data: bytes) -> Iterator[Finding]:
    """Everything in an AVIF file that is no part of its picture."""
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
            yield Finding("unknown", box.at, f"box {printable(box.name)}")
    for box in stored:
        yield from _unused(box, items)


def _avif_meta(data: bytes, meta: _Box, items: list[tuple[int, int]]) -> Iterator[Finding]:
    boxes = {box.name: box for box in _boxes(data, meta.body + 4, meta.end)}
    for name, box in boxes.items():
        if name not in _AVIF_META:
            yield Finding("unknown", box.at, f"box {printable(name)} in meta")
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
                yield from exif(data[tiff:end], start, tiff)
            elif kind == "mime":
                yield Finding("xmp" if b"xml" in mime else "unknown", start, "a metadata item")
            elif kind == "av01" and first:
                yield from _obus(data, start, end)
            else:
                yield Finding("second_picture", start, f"another item {printable(kind)}")
        first = first and kind != "av01"


def _avif_properties(data: bytes, iprp: _Box) -> Iterator[Finding]:
    for box in _boxes(data, iprp.body, iprp.end):
        for item in _boxes(data, box.body, box.end) if box.name == "ipco" else ():
            if item.name == "colr" and data[item.body : item.body + 4] != b"nclx":
                yield Finding("icc_profile", item.at, "a profile in box colr")
            elif item.name not in _AVIF_PROPERTIES:
                yield Finding("unknown", item.at, f"property {printable(item.name)}")


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
