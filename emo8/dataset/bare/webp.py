"""WebP: one chunk with the picture. Source: RFC 9649."""

from __future__ import annotations

import struct

from emo8.dataset.bare.errors import NotCopiedError


def bare_webp(data: bytes) -> bytes:
    """The file's only picture chunk in a plain container; NotCopiedError for an animation.

    A separate alpha chunk is left behind: whoever calls this has seen that all is opaque.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise NotCopiedError("no WebP")
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name in (b"ANIM", b"ANMF"):
            raise NotCopiedError("an animation")
        if name in (b"VP8 ", b"VP8L"):
            chunk = data[at + 8 : at + 8 + size]
            if len(chunk) != size:
                raise NotCopiedError("it does not end")
            if name == b"VP8L" and chunk[4:5] and chunk[4] & 0x10:
                raise NotCopiedError("its alpha lies among its colours")
            padded = name + struct.pack("<I", size) + chunk + b"\0" * (size % 2)
            return b"RIFF" + struct.pack("<I", 4 + len(padded)) + b"WEBP" + padded
        at += 8 + size + size % 2
    raise NotCopiedError("no picture chunk")
