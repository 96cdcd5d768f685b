"""Pictures of more than 8 bits a sample: what their numbers mean, by one rule.

The rule, for whole numbers: the range is what the file declares (bits per sample, MaxSampleValue,
sBIT), else the smallest of RANGES that holds the brightest value, since cameras and scanners store
10, 12 or 14 bits in 16; of signed numbers the whole positive half counts as one more range. For
floats: 0 to 1 up to a brightest value of 2; -1 to 1 where the darkest is under -0.25 and none is
over 1; else as whole numbers. What lies outside is clipped, what is no number is black.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RANGES: tuple[int, ...] = (8, 10, 12, 14, 16, 24, 32)  # bits
_BAND_VALUES = 1 << 18  # so many at a time, to take little memory


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a file says about its numbers."""

    bits: int | None = None  # that they have, where that is under 16
    signed_bits: int | None = None  # of a cell, where the numbers are signed
    negative: bool = False  # the least number is white


@dataclass(frozen=True, kw_only=True)
class Levels:
    """What the numbers of a picture mean."""

    black: float
    white: float
    name: str  # in words, for counts

    def to_share(self, values: np.ndarray, *, negative: bool = False) -> np.ndarray:
        """float32 of the same shape, 0 = black to 1 = white; `negative` swaps the two."""
        scaled = (values.astype(np.float32) - self.black) / np.float32(self.white - self.black)
        share = np.clip(np.nan_to_num(scaled, posinf=1.0), 0, 1)
        return 1 - share if negative else share


def find_levels(values: np.ndarray, declared: Declared = Declared()) -> Levels:
    """Black and white of one picture's numbers, (H, W) or (H, W, C)."""
    kind = f"{values.dtype.itemsize * 8} bits"
    if values.dtype.kind == "f":
        kind = "floats"
        low, high = _finite_range(values)
        if high <= 1.0 and low < -0.25:
            return Levels(black=-1.0, white=1.0, name="floats, -1 to 1")
        if high <= 2.0:
            return Levels(black=0.0, white=1.0, name="floats, 0 to 1")
    else:
        high = float(values.max(initial=0))
    bits = declared.bits if declared.bits and high < 2**declared.bits else None
    if bits is None:
        positive = [declared.signed_bits - 1] if declared.signed_bits else []
        bits = next((bits for bits in sorted([*RANGES, *positive]) if high < 2**bits), 64)
    return Levels(black=0.0, white=float(2**bits - 1), name=f"{kind}, 0 to {2**bits - 1}")


def _finite_range(values: np.ndarray) -> tuple[float, float]:
    """Least and greatest number, a band at a time; 0 and 0 where there is none."""
    low = high = 0.0
    rows = max(1, _BAND_VALUES // max(1, values[0].size))
    for top in range(0, len(values), rows):
        band = values[top : top + rows]
        band = band[np.isfinite(band)]
        low = min(low, float(band.min(initial=0)))
        high = max(high, float(band.max(initial=0)))
    return low, high
