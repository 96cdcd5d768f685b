"""What a filter is: columns it measures from pixels, and checks that a threshold can turn on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import cv2
import numpy as np
import pyarrow as pa

from emo8.images import Decoded

# Quality is measured on a picture scaled down to this, so that a number means the same at any size.
MEASURED_SIDE_PX = 512
PHASH_RECIPE = "dct64-v1"  # hashes of different recipes must never be compared


@dataclass(frozen=True, kw_only=True)
class Check:
    """One threshold: `column` under (or over) the recipe's `threshold` gives `reason`."""

    reason: str
    column: str
    threshold: str  # a field of emo8.config.Thresholds
    below: bool  # True: leaves when the value is under the threshold; False: when over


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded picture and the forms of it that several filters share."""

    data: bytes
    decoded: Decoded
    small: np.ndarray  # (h, w, 3) uint8 RGB, longest side at most MEASURED_SIDE_PX
    grey: np.ndarray  # (h, w) uint8 luma of `small` (ITU-R BT.601)


class Filter(Protocol):
    """One family of measurements."""

    columns: ClassVar[dict[str, pa.DataType]]
    checks: ClassVar[tuple[Check, ...]]

    def measure(self, picture: Picture) -> dict[str, Any]:
        """A value for each of `columns`."""


def prepare(data: bytes, decoded: Decoded) -> Picture:
    """The shared forms of a picture, computed once."""
    height, width = decoded.rgb.shape[:2]
    scale = MEASURED_SIDE_PX / max(height, width)
    small = decoded.rgb
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(np.ascontiguousarray(small), cv2.COLOR_RGB2GRAY)
    return Picture(data=data, decoded=decoded, small=small, grey=grey)


def perceptual_hash(grey: np.ndarray) -> int:
    """64-bit hash of an (h, w) uint8 picture: signs of its 8 x 8 lowest DCT terms.

    Recipe `dct64-v1`: area-resize to 32 x 32, DCT-II, 8 x 8 low frequencies, each bit set when
    the term is over their median without the constant one. Source: Zauner (2010),
    "Implementation and benchmarking of perceptual image hash functions".
    """
    square = cv2.resize(np.ascontiguousarray(grey), (32, 32), interpolation=cv2.INTER_AREA).astype(
        np.float32
    )
    low = cv2.dct(square)[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return int(np.packbits(bits).view(">u8")[0])
