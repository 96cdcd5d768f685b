"""The person view at evaluation: the square around a person, cut as the model's training cut it.

Letters: H, W pixels of a picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.adapters.base import Box

VIEWS = ("scene", "person", "both")


@dataclass(frozen=True, kw_only=True)
class PersonCrop:
    """How large the square is; the defaults are those of `uniemox pretrain`."""

    margin: float = 0.15  # on each side of the box, as a share of its longer side
    min_side_px: int = 16  # a smaller square grows to this


DEFAULT_CROP = PersonCrop()


def person_view(
    pixels: npt.NDArray[np.uint8],
    box: Box | None,
    *,
    is_share: bool,
    crop: PersonCrop = DEFAULT_CROP,
) -> npt.NDArray[np.uint8]:
    """The person's part of uint8 (H, W, 3); the whole picture where there is no usable box.

    Boxes are clamped to the picture. The square is moved inside it, and cut where it is larger.
    """
    if box is None or not np.isfinite(box).all():
        return pixels
    height, width, _ = pixels.shape
    left, top, right, bottom = box
    if is_share:
        left, right, top, bottom = left * width, right * width, top * height, bottom * height
    left, right = (min(max(v, 0.0), float(width)) for v in (left, right))
    top, bottom = (min(max(v, 0.0), float(height)) for v in (top, bottom))
    if right <= left or bottom <= top:
        return pixels
    side = max(max(right - left, bottom - top) * (1 + 2 * crop.margin), crop.min_side_px)
    columns = _span((left + right) / 2, side, width)
    rows = _span((top + bottom) / 2, side, height)
    return pixels[slice(*rows), slice(*columns)]


def _span(centre: float, side: float, limit: int) -> tuple[int, int]:
    """First and last-plus-one pixel of a stretch of `side` around `centre`, inside 0 .. limit."""
    length = min(max(1, round(side)), limit)
    start = min(max(0, round(centre - length / 2)), limit - length)
    return start, start + length
