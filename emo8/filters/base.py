"""What a filter is: columns it measures from pixels, and checks that a threshold can turn on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar, Protocol

import cv2
import numpy as np
import pyarrow as pa

from emo8.images import Decoded

# Quality is measured on a picture scaled down to this, so that a number means the same at any size.
MEASURED_SIDE_PX = 512
# Colours and light, whose statistics need no detail, on this.
COLOUR_SIDE_PX = 256
PHASH_RECIPE = "dct64-v2"  # hashes of different recipes must never be compared


@dataclass(frozen=True, kw_only=True)
class Check:
    """One threshold: `column` under (or over) the recipe's `threshold` gives `reason`."""

    reason: str
    column: str
    threshold: str  # a field of emo8.config.Thresholds
    below: bool  # True: leaves when the value is under the threshold; False: when over
    table: str = "measure"  # the step that adds the column


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded picture and the forms of it that several filters share."""

    data: bytes
    suffix: str  # of the name it came with, lower case, with its dot; "" without one
    decoded: Decoded
    small: np.ndarray  # (h, w, 3) uint8 RGB, longest side at most MEASURED_SIDE_PX
    grey: np.ndarray  # (h, w) uint8 luma of `small` (ITU-R BT.601)
    red: np.ndarray  # (h, w) uint8 channels at COLOUR_SIDE_PX
    green: np.ndarray
    blue: np.ndarray


class Filter(Protocol):
    """One family of measurements."""

    columns: ClassVar[dict[str, pa.DataType]]
    checks: ClassVar[tuple[Check, ...]]

    def measure(self, picture: Picture) -> dict[str, Any]:
        """A value for each of `columns`."""


def prepare(data: bytes, decoded: Decoded, name: str = "") -> Picture:
    """The shared forms of a picture, computed once."""
    small = _shrink(np.ascontiguousarray(decoded.rgb), MEASURED_SIDE_PX)
    red, green, blue = cv2.split(_shrink(small, COLOUR_SIDE_PX))
    return Picture(
        data=data,
        suffix=PurePosixPath(name).suffix.lower(),
        decoded=decoded,
        small=small,
        grey=cv2.cvtColor(small, cv2.COLOR_RGB2GRAY),
        red=red,
        green=green,
        blue=blue,
    )


def _shrink(rgb: np.ndarray, side: int) -> np.ndarray:
    """(h, w, 3) uint8 pixels whose longest side is at most `side`.

    A mean over whole blocks first, then less than a halving by interpolation: as free of aliasing
    as one area resize, and several times faster.
    """
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return rgb
    target = (max(1, round(width * scale)), max(1, round(height * scale)))
    block = min(int(1 / scale), height, width)
    if block > 1:
        whole = rgb[: height // block * block, : width // block * block]
        size = (width // block, height // block)
        rgb = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    if (rgb.shape[1], rgb.shape[0]) != target:
        rgb = cv2.resize(rgb, target, interpolation=cv2.INTER_LINEAR)
    return rgb


def perceptual_hash(grey: np.ndarray) -> int:
    """64-bit hash of an (h, w) uint8 picture: signs of its 8 x 8 lowest DCT terms.

    Recipe `dct64-v2`: luma of at most 512 px, area-resize to 32 x 32, DCT-II, 8 x 8 low
    frequencies, each bit set when the term is over their median without the constant one. Source:
    Zauner (2010), "Implementation and benchmarking of perceptual image hash functions".
    """
    square = cv2.resize(np.ascontiguousarray(grey), (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(square.astype(np.float32))[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return int(np.packbits(bits).view(">u8")[0])
