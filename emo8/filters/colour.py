"""Brightness and colourfulness in eleven steps, the two pixel attributes of EmoSet.

EmoSet names the measures it follows but not its constants, so these are in its spirit and on its
scale; they are not its numbers.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from emo8.filters.base import Check, Picture

# The opponent-colour measure that counts as 1.0: saturated test charts reach about 1.25.
FULL_COLOR = 1.25


class Colour:
    """Values from 0.0 to 1.0 in steps of 0.1."""

    columns: ClassVar[dict[str, pa.DataType]] = {
        "brightness": pa.float32(),
        "colorfulness": pa.float32(),
    }
    checks: ClassVar[tuple[Check, ...]] = ()

    def measure(self, picture: Picture) -> dict[str, Any]:
        return {
            "brightness": brightness(picture.small),
            "colorfulness": colorfulness(picture.small),
        }


def brightness(rgb: np.ndarray) -> float:
    """Mean HSV value of (h, w, 3) uint8 pixels, rounded to 0.1.

    Source: Datta et al. (2006), "Studying aesthetics in photographic images using a computational
    approach", feature f1 (exposure of light).
    """
    return round(float(rgb.max(axis=2).mean()) / 255, 1)


def colorfulness(rgb: np.ndarray) -> float:
    """Opponent-colour measure of (h, w, 3) uint8 pixels, scaled to 0..1 and rounded to 0.1.

    Source: Panetta, Gao and Agaian (2013), "No reference color image contrast and quality
    measures", CQE colourfulness: 0.02 times the product of the two opponent channels'
    log(variance / |mean| ** 0.2).
    """
    red, green, blue = (rgb[..., channel].astype(np.float32) for channel in range(3))
    product = 0.02
    for opponent in (red - green, (red + green) / 2 - blue):
        variance, mean = float(opponent.var()), abs(float(opponent.mean()))
        if variance < 1:  # grey: the logarithm would be negative without meaning
            return 0.0
        product *= max(0.0, float(np.log(variance / max(mean, 1e-6) ** 0.2)))
    return round(min(1.0, product / FULL_COLOR), 1)
