"""Bodies of answers, read with a cap on what arrives and on what it unpacks to."""

from __future__ import annotations

import http.client
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from emo8.core.formats import sniff
from emo8.web.http import Reply, body_lost
from emo8.web.outcome import FetchFailed, failed

CHUNK_BYTES = 1 << 16
SNIFF_BYTES = 32  # enough to tell a picture from anything else


@dataclass(frozen=True, kw_only=True)
class Body:
    """What was read, and whether the cap cut it short."""

    data: bytes
    cut: bool = False


def read_picture(reply: Reply, max_bytes: int) -> bytes:
    """A whole body that begins like a picture; LostError otherwise, as early as it shows."""
    length = reply.body.length
    if length is not None and length > max_bytes:
        raise FetchFailed("too_many_bytes", "content_length", length)
    pieces: list[bytes] = []
    size = 0
    for piece in _decoded(reply, max_bytes):
        if size < SNIFF_BYTES <= size + len(piece):
            _check_kind(b"".join([*pieces, piece]), reply)
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise FetchFailed("too_many_bytes", "body", size)
    data = b"".join(pieces)
    if not data:
        raise failed("empty_body", 0)
    if size < SNIFF_BYTES:
        _check_kind(data, reply)
    return data


def read_text(reply: Reply, max_bytes: int) -> Body:
    """The first `max_bytes` of a body: text files of unknown size are cut, not refused."""
    pieces, size = [], 0
    for piece in _decoded(reply, max_bytes):
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            return Body(data=b"".join(pieces)[:max_bytes], cut=True)
    return Body(data=b"".join(pieces))


def skip(reply: Reply) -> None:
    """Read a small rest, so that the connection can be kept; leave a large one."""
    length = reply.body.length
    if length is not None and length <= CHUNK_BYTES:
        for _ in _raw(reply):
            pass


def _raw(reply: Reply) -> Iterator[bytes]:
    """The body as it comes over the wire; LostError when it ends before its stated length."""
    length, size = reply.body.length, 0
    try:
        while piece := reply.body.read1(CHUNK_BYTES):
            size += len(piece)
            yield piece
    except FetchFailed:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise body_lost(error) from None
    if length is not None and size < length:
        raise failed("body_too_short", size)


def _decoded(reply: Reply, max_bytes: int) -> Iterator[bytes]:
    """The body unpacked. We ask for plain bytes; some servers pack all the same."""
    coding = (reply.headers.get("Content-Encoding") or "identity").strip().lower()
    if coding in ("identity", "none", ""):
        yield from _raw(reply)
        return
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise failed(f"content_encoding {coding[:20]}")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, by its header
    left = max_bytes + 1
    try:
        for piece in _raw(reply):
            while piece and left > 0:
                out = unpack.decompress(piece, min(left, CHUNK_BYTES))
                left -= len(out)
                piece = unpack.unconsumed_tail
                if out:
                    yield out
                elif not piece:
                    break
            if left <= 0 or unpack.eof:
                return
    except zlib.error:
        raise failed("content_encoding damaged") from None
    raise failed("body_too_short")  # the wire's bytes are whole, and what they pack is not


def _check_kind(data: bytes, reply: Reply) -> None:
    if not looks_like_picture(data):
        kind = (reply.headers.get_content_type() or "unknown")[:60]
        raise FetchFailed("not_an_image", kind)


def looks_like_picture(data: bytes) -> bool:
    """Whether bytes begin like one of the raster formats that are read, installed or not."""
    return sniff(data) is not None
