"""Brightness and colourfulness in eleven steps, the two pixel attributes of EmoSet.

EmoSet names the measures it follows but not its constants, so these are in its spirit and on its
scale; they are not its numbers.
"""

from __future__ import annotations

from typing import Any, ClassVar

import cv2
import numpy as np
import pyarrow as pa

from emo8.measure.filters.base import Filter, Picture

# The opponent-colour measure that counts as 1.0: saturated test charts reach about 1.25.
FULL_COLOR = 1.25


class Colour(Filter):
    """Values from 0.0 to 1.0 in steps of 0.1."""

    order: ClassVar[int] = 4
    columns: ClassVar[dict[str, pa.DataType]] = {
        "brightness": pa.float32(),
        "colorfulness": pa.float32(),
    }

    def measure(self, picture: Picture) -> dict[str, Any]:
        channels = (picture.red, picture.green, picture.blue)
        return {"brightness": brightness(*channels), "colorfulness": colorfulness(*channels)}


def brightness(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> float:
    """Mean HSV value of (h, w) uint8 channels, rounded to 0.1.

    Source: Datta et al. (2006), "Studying aesthetics in photographic images using a computational
    approach", feature f1 (exposure of light).
    """
    return round(cv2.mean(cv2.max(cv2.max(red, green), blue))[0] / 255, 1)


def colorfulness(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> float:
    """Opponent-colour measure of (h, w) uint8 channels, scaled to 0..1 and rounded to 0.1.

    Source: Panetta, Gao and Agaian (2013), "No reference color image contrast and quality
    measures", CQE colourfulness: 0.02 times the product of the two opponent channels'
    log(variance / |mean| ** 0.2).
    """
    red_green = cv2.subtract(red, green, dtype=cv2.CV_32F)
    yellow_blue = cv2.addWeighted(red, 0.5, green, 0.5, 0, dtype=cv2.CV_32F)
    yellow_blue = cv2.subtract(yellow_blue, blue, dtype=cv2.CV_32F)
    product = 0.02
    for opponent in (red_green, yellow_blue):
        mean, deviation = cv2.meanStdDev(opponent)
        variance, middle = float(deviation[0, 0]) ** 2, abs(float(mean[0, 0]))
        if variance < 1:  # grey: the logarithm would be negative without meaning
            return 0.0
        product *= max(0.0, float(np.log(variance / max(middle, 1e-6) ** 0.2)))
    return round(min(1.0, product / FULL_COLOR), 1)
