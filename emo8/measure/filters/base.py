"""What a filter is: columns it measures from pixels, and checks that a threshold can turn on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, ClassVar

import cv2
import numpy as np
import pyarrow as pa

from emo8.core.checks import Check
from emo8.core.images import Decoded

# Quality is measured on a picture scaled down to this, so that a number means the same at any size.
MEASURED_SIDE_PX = 512
# Colours and light, whose statistics need no detail, on this or up to half of it.
COLOUR_SIDE_PX = 256
PHASH_RECIPE = "dct64-v3"  # hashes of different recipes must never be compared


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded picture and the forms of it that several filters share."""

    data: bytes
    suffix: str  # of the name it came with, lower case, with its dot; "" without one
    decoded: Decoded
    grey: np.ndarray  # (h, w) uint8 luma (ITU-R BT.601), longest side at most MEASURED_SIDE_PX
    square: np.ndarray  # (32, 32) uint8: `grey` squeezed, what its hash is made of
    red: np.ndarray  # (h, w) uint8 channels, longest side at most COLOUR_SIDE_PX
    green: np.ndarray
    blue: np.ndarray


_classes: list[type[Filter]] = []


class Filter(ABC):
    """One family of measurements: a subclass in a file of this folder, found by lying here.

    A check whose threshold, default or reason is missing, or whose column the filter does not
    measure, is an error when the file is imported.
    """

    order: ClassVar[int] = 100  # when its checks are asked; equal ones by the file's name
    columns: ClassVar[dict[str, pa.DataType]]
    checks: ClassVar[tuple[Check, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        columns = getattr(cls, "columns", None)
        if not columns:
            raise TypeError(f"the filter {cls.__qualname__} names no columns")
        for check in cls.checks:
            if check.table == "measure" and check.column not in columns:
                raise TypeError(
                    f"the filter {cls.__qualname__} checks {check.column!r}, which it does not "
                    f"measure: {', '.join(columns)}"
                )
        _classes.append(cls)

    @abstractmethod
    def measure(self, picture: Picture) -> dict[str, Any]:
        """A value for each of `columns`."""


def found(package: str) -> tuple[Filter, ...]:
    """One of every filter that was imported from a package, in the order in which they are asked.

    TypeError where two measure columns of one name.
    """
    inside = [cls for cls in _classes if cls.__module__.startswith(f"{package}.")]
    inside.sort(key=lambda cls: (cls.order, cls.__module__, cls.__qualname__))
    names = [name for cls in inside for name in cls.columns]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TypeError(f"two filters measure {', '.join(sorted(twice))}")
    return tuple(cls() for cls in inside)


def suffix_of(name: str) -> str:
    """All that a filter learns of a file's name: its suffix, lower case, with its dot."""
    return PurePosixPath(name).suffix.lower()


def prepare(data: bytes, decoded: Decoded, name: str = "") -> Picture:
    """The shared forms of a picture, computed once.

    Halving by means of 2 x 2 pixels comes first, and what is left is less than a halving by
    interpolation: as free of aliasing as one area resize, and several times faster.
    """
    rgb = _halved(np.ascontiguousarray(decoded.rgb), 2 * MEASURED_SIDE_PX - 1)
    grey = _shrink(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), decoded, MEASURED_SIDE_PX)
    red, green, blue = cv2.split(_halved(rgb, COLOUR_SIDE_PX))
    return Picture(
        data=data,
        suffix=suffix_of(name),
        decoded=decoded,
        grey=grey,
        square=hash_square(grey),
        red=red,
        green=green,
        blue=blue,
    )


def _halved(pixels: np.ndarray, side: int) -> np.ndarray:
    """The picture, halved until its longest side is at most `side`."""
    while max(pixels.shape[:2]) > side and min(pixels.shape[:2]) >= 2:
        height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
        whole = pixels[: 2 * height, : 2 * width]
        pixels = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return pixels


def _shrink(grey: np.ndarray, decoded: Decoded, side: int) -> np.ndarray:
    """The picture in the size of `decoded` scaled to a longest side of at most `side`."""
    scale = min(1.0, side / max(decoded.height, decoded.width))
    target = (max(1, round(decoded.width * scale)), max(1, round(decoded.height * scale)))
    if (grey.shape[1], grey.shape[0]) == target:
        return grey
    return cv2.resize(grey, target, interpolation=cv2.INTER_LINEAR)


def perceptual_hash(grey: np.ndarray) -> int:
    """64-bit hash of an (h, w) uint8 picture: signs of its 8 x 8 lowest DCT terms.

    Recipe `dct64-v3`: luma of at most 512 px, area-resize to 32 x 32, DCT-II, 8 x 8 low
    frequencies, each bit set when the term is over their median without the constant one. Source:
    Zauner (2010), "Implementation and benchmarking of perceptual image hash functions".
    """
    return square_hash(hash_square(grey))


def hash_square(grey: np.ndarray) -> np.ndarray:
    """(32, 32) uint8: the (h, w) picture squeezed; its mirror image is that of the mirrored one."""
    return cv2.resize(np.ascontiguousarray(grey), (32, 32), interpolation=cv2.INTER_AREA)


def square_hash(square: np.ndarray) -> int:
    """The perceptual hash of a picture squeezed by `hash_square`."""
    low = cv2.dct(square.astype(np.float32))[:8, :8].ravel()
    bits = low > np.partition(low[1:], 31)[31]  # the median of 63
    return int(np.packbits(bits).view(">u8")[0])
