"""What copies are recognised by: hashes of four views of a picture, and small pictures of two.

The four views are the picture as it is and without its plain border, each straight and mirrored.
"""

from __future__ import annotations

from typing import Any, ClassVar

import cv2
import numpy as np
import pyarrow as pa

from emo8.measure.filters.base import Filter, Picture, hash_square, square_hash

VIEWS_RECIPE = "views64-v2"  # of everything below: values of different recipes never compare
THUMB_SIDE_PX = 64
CHROMA_SIDE_PX = 16
# A border row may stray this far from one colour: JPEG noise does, a gradient soon strays more.
BORDER_TOLERANCE = 8
BORDER_ODD_SHARE = 0.02  # of the pixels of a border row may stray further
MIN_CONTENT = 0.2  # of each side must be left: less is a picture of mostly one colour


class DuplicateViews(Filter):
    """Hashes and thumbnails of the views; the trimmed ones equal the plain ones without border."""

    order: ClassVar[int] = 5
    columns: ClassVar[dict[str, pa.DataType]] = {
        "phash_trimmed": pa.uint64(),
        "phash_mirrored": pa.uint64(),
        "phash_trimmed_mirrored": pa.uint64(),
        "thumb": pa.binary(THUMB_SIDE_PX**2),  # grey, row by row
        "thumb_trimmed": pa.binary(THUMB_SIDE_PX**2),  # null where there is no border to trim
        "chroma": pa.binary(2 * CHROMA_SIDE_PX**2),  # Cr and Cb of every pixel, row by row
        "chroma_trimmed": pa.binary(2 * CHROMA_SIDE_PX**2),  # null where there is no border
    }

    def measure(self, picture: Picture) -> dict[str, Any]:
        grey, box = picture.grey, content_box(picture.grey)
        content = grey[box]
        trimmed = content.shape != grey.shape
        square = hash_square(content) if trimmed else picture.square
        colours = cv2.merge([picture.red, picture.green, picture.blue])
        return {
            "phash_trimmed": square_hash(square),
            "phash_mirrored": square_hash(picture.square[:, ::-1]),
            "phash_trimmed_mirrored": square_hash(square[:, ::-1]),
            "thumb": thumbnail(grey).tobytes(),
            "thumb_trimmed": thumbnail(content).tobytes() if trimmed else None,
            "chroma": chroma(colours).tobytes(),
            "chroma_trimmed": chroma(inside(colours, grey, box)).tobytes() if trimmed else None,
        }


def content_box(grey: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns of an (h, w) uint8 picture inside edges of one colour."""
    height, width = grey.shape
    top, bottom = _border(grey), _border(grey[::-1])
    left, right = _border(grey.T), _border(grey.T[::-1])
    max_rows, max_columns = height * (1 - MIN_CONTENT), width * (1 - MIN_CONTENT)
    if top + bottom > max_rows or left + right > max_columns:
        return slice(0, height), slice(0, width)
    return slice(top, height - bottom), slice(left, width - right)


def inside(colours: np.ndarray, grey: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
    """The part of an (h, w, 3) picture that `box` is of the larger `grey` form of it."""
    cut = []
    for side, whole, part in zip(colours.shape, grey.shape, box):
        start = min(round(part.start * side / whole), side - 1)
        cut.append(slice(start, max(start + 1, round(part.stop * side / whole))))
    return colours[tuple(cut)]


def _border(lines: np.ndarray) -> int:
    """How many lines from the first on have the first one's colour."""
    middle = lines.shape[1] // 2
    colour = int(np.partition(lines[0], middle)[middle])  # the median
    start, size = 0, 2
    max_strays = BORDER_ODD_SHARE * lines.shape[1]
    while start < len(lines):  # most pictures have no border: a few lines tell
        strays = np.abs(lines[start : start + size].astype(np.int16) - colour) > BORDER_TOLERANCE
        other = np.count_nonzero(strays, axis=1) > max_strays
        if other.any():
            return start + int(other.argmax())
        start, size = start + size, 4 * size
    return len(lines)


def thumbnail(grey: np.ndarray) -> np.ndarray:
    """(64, 64) uint8: the (h, w) picture squeezed to a square."""
    side = (THUMB_SIDE_PX, THUMB_SIDE_PX)
    return np.asarray(cv2.resize(grey, side, interpolation=cv2.INTER_AREA))


def chroma(rgb: np.ndarray) -> np.ndarray:
    """(16, 16, 2) uint8: Cr and Cb of the (h, w, 3) picture squeezed to a square."""
    small = cv2.resize(rgb, (CHROMA_SIDE_PX, CHROMA_SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb)[:, :, 1:])
