"""AVIF: one AV1 picture. Sources: AV1 Image File Format 1.1; ISO/IEC 14496-12 and 23008-12."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from emo8.dataset.bare.errors import NotCopiedError

# What a picture needs besides its data: size, bits per channel, decoder settings, colour codes.
_PROPERTIES = frozenset((b"ispe", b"pixi", b"av1C", b"colr"))
_OBU_KEPT = frozenset((1, 2, 3, 4, 6, 7))  # all but metadata (5), tile lists (8) and padding (15)


def bare_avif(data: bytes) -> bytes:
    """The file's primary picture in the smallest container; NotCopiedError if not a plain one.

    Grids, sequences, alpha, turned and mirrored pictures are not plain.
    """
    try:
        meta = _children(data, dict(_boxes(data)), b"meta")
        number = int.from_bytes(meta[b"pitm"][4:])
        properties = _properties(meta[b"iprp"], number)
        stream = _item(data, meta, number)
    except (KeyError, IndexError, struct.error) as error:
        raise NotCopiedError(f"not a plain AVIF ({error})") from error
    return _file(properties, _without_metadata(stream))


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of every box, in order, up to bytes that are none."""
    at = 0
    while at + 8 <= len(data):
        size, head = int.from_bytes(data[at : at + 4]), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        elif size == 0:
            size = len(data) - at
        if size < head or at + size > len(data):
            return
        yield data[at + 4 : at + 8], data[at + head : at + size]
        at += size


def _children(data: bytes, boxes: dict[bytes, bytes], name: bytes) -> dict[bytes, bytes]:
    if b"moov" in boxes:
        raise NotCopiedError("a sequence")
    return dict(_boxes(boxes[name][4:]))  # behind version and flags


def _properties(iprp: bytes, number: int) -> list[tuple[bytes, bytes]]:
    """The item's properties that stay, in order; NotCopiedError when others would change it."""
    own = dict(_boxes(iprp))
    known = list(_boxes(own[b"ipco"]))
    kept = []
    for index in _associated(own[b"ipma"], number):
        name, body = known[index - 1]
        if name not in _PROPERTIES:
            raise NotCopiedError(f"property {name!r}")
        if name != b"colr" or body[:4] == b"nclx":  # a profile was applied, or is sRGB
            kept.append((name, body))
    return kept


def _associated(ipma: bytes, number: int) -> list[int]:
    """Numbers, from 1, of the properties of an item. Source: ISO/IEC 14496-12, 8.11.14."""
    version, wide, at = ipma[0], ipma[3] & 1, 8
    width = 4 if version else 2
    for _ in range(int.from_bytes(ipma[4:8])):
        item, count = int.from_bytes(ipma[at : at + width]), ipma[at + width]
        at += width + 1
        step = 2 if wide else 1
        found = [
            int.from_bytes(ipma[at + k * step : at + k * step + step]) & (0x7FFF if wide else 0x7F)
            for k in range(count)
        ]
        at += count * step
        if item == number:
            return [index for index in found if index]
    return []


def _item(data: bytes, meta: dict[bytes, bytes], number: int) -> bytes:
    """The bytes of an AV1 item. Source: ISO/IEC 14496-12, 8.11.3 and 8.11.6."""
    if _kind(meta[b"iinf"], number) != b"av01":
        raise NotCopiedError("the primary item is no single AV1 picture")
    iloc = meta[b"iloc"]
    version = iloc[0]
    offset_size, length_size, base_size = iloc[4] >> 4, iloc[4] & 15, iloc[5] >> 4
    index_size = iloc[5] & 15 if version else 0
    long = 4 if version == 2 else 2
    at = 6 + long

    def read(size: int) -> int:
        nonlocal at
        at += size
        if at > len(iloc):
            raise NotCopiedError("its table of places ends early")
        return int.from_bytes(iloc[at - size : at])

    for _ in range(int.from_bytes(iloc[6 : 6 + long])):
        item = read(long)
        method = read(2) & 15 if version else 0
        read(2)
        base, parts = read(base_size), []
        extents = read(2)
        if extents > 1 and not length_size:
            raise NotCopiedError("its table of places is endless")
        for _ in range(extents):
            read(index_size)
            start = base + read(offset_size)
            length = read(length_size)
            parts.append(data[start : start + length])
            if len(parts[-1]) != length:
                raise NotCopiedError("it does not end")
        if item == number:
            if method:
                raise NotCopiedError("its data lie in another box")
            return b"".join(parts)
    raise NotCopiedError("its data have no place")


def _kind(iinf: bytes, number: int) -> bytes:
    for name, body in _boxes(iinf[6 if iinf[0] == 0 else 8 :]):
        width = 4 if body[0] > 2 else 2
        if name == b"infe" and int.from_bytes(body[4 : 4 + width]) == number:
            return body[6 + width : 10 + width]
    return b""


def _without_metadata(stream: bytes) -> bytes:
    """The AV1 stream without metadata and padding units. Source: AV1 specification, 5.3."""
    out, at = bytearray(), 0
    while at < len(stream):
        start, header = at, stream[at]
        at += 2 if header & 4 else 1
        if not header & 2:  # without a size: the last one
            size = len(stream) - at
        else:
            size = shift = 0
            more = True
            while more:
                if at >= len(stream):
                    raise NotCopiedError("its AV1 stream ends early")
                size |= (stream[at] & 127) << shift
                more, at, shift = bool(stream[at] & 128), at + 1, shift + 7
        at += size
        if at > len(stream):
            raise NotCopiedError("its AV1 stream ends early")
        if header >> 3 & 15 in _OBU_KEPT:
            out += stream[start:at]
    return bytes(out)


def _file(properties: list[tuple[bytes, bytes]], stream: bytes) -> bytes:
    """A file of one item. Every property but size and bits is marked as essential."""
    essential = [0x80 if name == b"av1C" else 0 for name, _ in properties]
    links = bytes(mark | index for index, mark in enumerate(essential, 1))
    container = _box(b"ipco", b"".join(_box(name, body) for name, body in properties))
    table = _box(b"ipma", bytes(4) + struct.pack(">IHB", 1, 1, len(links)) + links)
    head = _box(b"ftyp", b"avif" + bytes(4) + b"avifmif1miaf")

    def meta(offset: int) -> bytes:
        place = struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, offset, len(stream))
        entry = _box(b"infe", b"\2\0\0\0" + struct.pack(">HH4sB", 1, 0, b"av01", 0))
        return _box(
            b"meta",
            bytes(4)
            + _box(b"hdlr", bytes(8) + b"pict" + bytes(13))
            + _box(b"pitm", bytes(4) + b"\0\1")
            + _box(b"iloc", bytes(4) + place)
            + _box(b"iinf", bytes(4) + b"\0\1" + entry)
            + _box(b"iprp", container + table),
        )

    return head + meta(len(head) + len(meta(0)) + 8) + _box(b"mdat", stream)


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body
