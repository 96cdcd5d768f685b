"""The bytes to publish for a picture as received: upright, opaque, sRGB, without metadata.

A plain picture keeps its compressed data (`bare`). What must be encoded anew stays as good as its
bytes allow: a JPEG with the quantisation tables and chroma sampling that it came with, other lossy
pictures at the highest quality of a list, everything else without loss; and, for lossy pictures,
in at most MAX_GROWTH of the bytes received.

Published pictures are sRGB and carry no profile: `datasets`, PIL and training code ignore profiles,
browsers take a picture without one as sRGB, so all of them show the same colours.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin

from emo8.core.formats import FORMATS, opener, sniff
from emo8.core.images import DEFAULT_MAX_PIXELS, decode
from emo8.dataset.bare import BARE
from emo8.dataset.bare.errors import NotCopiedError

MAX_GROWTH = 1.3
MAX_WEBP_SIDE_PX = 16383
# Qualities that are tried, best first; the first one within MAX_GROWTH is taken.
JPEG_QUALITIES = (95, 90, 85, 80, 70, 60, 50, 40, 30)
WEBP_QUALITIES = (95, 90, 85, 80, 75, 70, 60, 50, 40, 30)
AVIF_QUALITIES = (90, 80, 70, 60, 50, 40, 30)
_GOOD_WEBP = 75  # below it, what did not come as WebP becomes AVIF instead
_LOSSY_TIFF = frozenset(("jpeg", "tiff_jpeg", "webp"))


def publishable(data: bytes, *, plain: bool, max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
    """Bytes to publish; `plain` as `Decoded.plain` says. DecodeError where nothing decodes."""
    if plain:
        try:
            return BARE[sniff(data) or ""](data)
        except (KeyError, NotCopiedError):
            pass  # decoders skip more than an allow-list does: encoded anew
    return encode(decode(data, max_pixels=max_pixels).rgb, data)


def encode(rgb: np.ndarray, received: bytes) -> bytes:
    """Pixels (H, W, 3) as a file to publish, in the manner of the file they were received in."""
    image = Image.fromarray(rgb)
    try:
        return _encode(image, received)
    except (OSError, ValueError):  # longer than its format's own limit
        return _saved(image, "PNG")


def suffix(published: bytes) -> str:
    """The suffix, without its dot, of a file that `publishable` gave."""
    return FORMATS[sniff(published) or "PNG"].suffixes[0][1:]


def _encode(image: Image.Image, received: bytes) -> bytes:
    limit = int(MAX_GROWTH * len(received))
    kind = sniff(received)
    if kind == "JPEG":
        return _first_within(_jpegs(image, received), limit)
    if max(image.size) > MAX_WEBP_SIDE_PX:
        return _saved(image, "PNG")
    if kind == "WEBP" and b"VP8L" not in received[:64]:
        return _first_within(_webps(image), limit)
    if kind == "AVIF":
        return _first_within(_avifs(image), limit)
    exact = _saved(image, "WEBP", lossless=True, quality=50, method=2)
    if len(exact) <= limit or not _lossy(received, kind):
        return exact
    return _first_within(_any_lossy(image), limit)


def _lossy(received: bytes, kind: str | None) -> bool:
    """Whether the file may have lost something already; a JPEG XL does not tell."""
    if kind in ("HEIF", "JXL"):
        return True
    open_file = opener("TIFF")
    if kind != "TIFF" or open_file is None:
        return False
    try:
        return open_file(io.BytesIO(received)).info.get("compression") in _LOSSY_TIFF
    except SyntaxError:  # numbers that PIL has no mode for: never lossy
        return False


def _first_within(candidates: Iterator[bytes], limit: int) -> bytes:
    """The first file of at most `limit` bytes; the smallest where none is."""
    smallest = b""
    for data in candidates:
        if len(data) <= limit:
            return data
        if not smallest or len(data) < len(smallest):
            smallest = data
    return smallest


def _jpegs(image: Image.Image, received: bytes) -> Iterator[bytes]:
    """With the tables received, then by falling quality."""
    own: Any = JpegImagePlugin.jpeg_factory(io.BytesIO(received))
    options: dict[str, Any] = {"optimize": True, "progressive": "progressive" in own.info}
    sampling = JpegImagePlugin.get_sampling(own)
    options["subsampling"] = sampling if sampling in (0, 1, 2) else 0
    rgb = np.asarray(image)
    if np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 1], rgb[..., 2]):
        image = image.convert("L")
        del options["subsampling"]
    tables = [own.quantization[key] for key in sorted(own.quantization)][:2]
    if tables:
        yield _saved(image, "JPEG", qtables=tables, **options)
    for quality in JPEG_QUALITIES:
        yield _saved(image, "JPEG", quality=quality, **options)


def _webps(image: Image.Image, lowest: int = 0) -> Iterator[bytes]:
    for quality in WEBP_QUALITIES:
        if quality >= lowest:
            yield _saved(image, "WEBP", quality=quality, method=4)


def _avifs(image: Image.Image) -> Iterator[bytes]:
    for quality in AVIF_QUALITIES:
        yield _saved(image, "AVIF", quality=quality, speed=8, max_threads=1)


def _any_lossy(image: Image.Image) -> Iterator[bytes]:
    yield from _webps(image, _GOOD_WEBP)
    yield from _avifs(image)


def _saved(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()
