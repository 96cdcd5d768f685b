"""JPEG: frame, tables and scans. Source: ITU-T T.81, annex B (marker syntax); T.871 (JFIF)."""

from __future__ import annotations

import re

from emo8.dataset.bare.errors import NotCopiedError

# Frames that every browser decodes (baseline, extended, progressive; Huffman), Huffman tables,
# quantisation tables, restart interval. Arithmetic coding and lossless frames are not among them.
_KEPT = frozenset((0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD))
_SCAN, _END = 0xDA, 0xD9
_DROPPED = frozenset((*range(0xE0, 0xF0), 0xFE))  # application segments and comments
# In entropy-coded data 0xFF is followed by 0 or by a restart marker; anything else ends it.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7]")


def bare_jpeg(data: bytes) -> bytes:
    """The first picture of the file, its compressed data unchanged; NotCopiedError if odd.

    What decides how colours are read stays, in its shortest form: whether there was a JFIF
    segment, and the colour transform of an Adobe segment.
    """
    if data[:2] != b"\xff\xd8":
        raise NotCopiedError("no JPEG")
    out, at = bytearray(b"\xff\xd8"), 2
    while at + 1 < len(data):
        if data[at] != 0xFF:
            raise NotCopiedError(f"byte {at}: a marker was expected")
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == _END:
            return bytes(out + b"\xff\xd9")
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == _SCAN:
            after = _AFTER_SCAN.search(data, end)
            end = after.start() if after else len(data)
            out += data[at:end]
        elif marker in _KEPT:
            out += data[at:end]
        elif marker in _DROPPED:
            out += _shortest(marker, data[at + 4 : end])
        else:
            raise NotCopiedError(f"byte {at}: marker {marker:02X}")
        at = end
    raise NotCopiedError("it does not end")


def _shortest(marker: int, body: bytes) -> bytes:
    """A segment that decides about colours, without anything else; empty for all others."""
    if marker == 0xE0 and body[:5] == b"JFIF\0":
        return b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    if marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
        return b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + body[11:12]
    return b""
