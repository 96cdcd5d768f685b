"""JPEGs decoded no larger than they are needed, which training does a million times.

libjpeg-turbo scales by 1/2, 1/4 or 1/8 while it decodes (other scales are slower than none).
Colours and turns are those of `images.decode`. Letters: H W pixels.
"""

from __future__ import annotations

import io
import threading
import warnings
from typing import Any

import numpy as np
import simplejpeg

from emo8.core.formats import opener
from emo8.core.images import DEFAULT_MAX_PIXELS, ORIENTATION, DecodeError, decode, upright
from emo8.core.pixels import Seen, tag

DCT_SCALES = (8, 4, 2)
# Where a file says how it is turned or what its colours mean; behind these, PIL is asked.
_SAYS_MORE = (b"Exif\0\0", b"ICC_PROFILE\0")
_LOOKED_AT_BYTES = 1 << 16


class ScaledJpeg:
    """A JPEG of RGB or grey that is not decoded yet."""

    def __init__(self, data: bytes, size: tuple[int, int]) -> None:
        self._data, self._stored = data, size
        self._header = _header(data)
        self._turn = _turn(self._header)
        width, height = size
        self.size = (height, width) if self._turn >= 5 else (width, height)  # upright

    def decode(self, scale: int) -> tuple[np.ndarray, int]:
        """uint8 (H / s, W / s, 3) sRGB, upright, until the next decode, and s.

        `s` is `scale`, one of DCT_SCALES or 1; or 1 where the file is odd and was decoded whole.
        DecodeError where nothing decodes.
        """
        width, height = self._stored
        size = (-(-height // scale), -(-width // scale))
        try:
            # plain chroma upsampling and the fast DCT: what they lose is far below what the
            # crop's resizing changes, and they save a tenth of the time
            pixels = simplejpeg.decode_jpeg(
                self._data,
                "RGB",
                fastdct=True,
                fastupsample=True,
                min_height=size[0],
                min_width=size[1],
                buffer=_canvas(3 * size[0] * size[1]),
            )
        except ValueError:  # stricter than Pillow, which has the last word
            return decode(self._data).rgb, 1
        if self._header is not None:
            pixels = tag(pixels, self._header, self._data, Seen())
        return upright(pixels, self._turn), scale


def open_jpeg(data: bytes) -> ScaledJpeg | None:
    """The JPEG, its header read; None for what `images.decode` must decode, CMYK for one."""
    if data[:2] != b"\xff\xd8":
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    if height * width > DEFAULT_MAX_PIXELS:
        raise DecodeError("too_many_pixels", height * width)
    return None if colours in ("CMYK", "YCCK") else ScaledJpeg(data, (width, height))


def _header(data: bytes) -> Any:
    """The file as PIL opens it; None where it says nothing that PIL is needed for."""
    if all(data.find(mark, 0, _LOOKED_AT_BYTES) < 0 for mark in _SAYS_MORE):
        return None
    open_file = opener("JPEG")
    assert open_file is not None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return open_file(io.BytesIO(data))
    except Exception:  # broken metadata of a picture that may be fine
        return None


def _turn(header: Any) -> int:
    try:
        turn = 1 if header is None else header.getexif().get(ORIENTATION, 1)
    except Exception:
        return 1
    return turn if turn in range(1, 9) else 1


_OWN = threading.local()


def _canvas(size_bytes: int) -> np.ndarray:
    """Memory to decode into, used again and again: fresh memory costs as much as a resize."""
    canvas: np.ndarray | None = getattr(_OWN, "canvas", None)
    if canvas is None or canvas.size < size_bytes:
        canvas = _OWN.canvas = np.empty(size_bytes, np.uint8)
    return canvas
