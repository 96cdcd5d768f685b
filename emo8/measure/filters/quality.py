"""Whether there is anything to see: visibility, contrast, information, detail."""

from __future__ import annotations

from typing import Any, ClassVar

import cv2
import numpy as np
import pyarrow as pa

from emo8.core.checks import Check
from emo8.measure.filters.base import Filter, Picture


class Quality(Filter):
    """Numbers that blank, empty or blurred pictures give away."""

    order: ClassVar[int] = 2
    columns: ClassVar[dict[str, pa.DataType]] = {
        "visible": pa.float32(),  # share of pixels that are not transparent
        "contrast": pa.float32(),  # standard deviation of grey, 0 to 255
        "entropy_bits": pa.float32(),  # Shannon entropy of the grey histogram, 0 to 8
        "sharpness": pa.float32(),  # variance of the Laplacian of grey
        "greyscale": pa.bool_(),  # no pixel's channels differ by more than 8
    }
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            reason="transparent",
            meaning="fewer visible pixels than decide.min_visible; value = share",
            column="visible",
            threshold="min_visible",
            default=0.02,
            why="share of pixels that are not transparent",
            below=True,
        ),
        Check(
            reason="blank",
            meaning="less contrast than decide.min_contrast; "
            "value = standard deviation of grey, 0..255",
            column="contrast",
            threshold="min_contrast",
            default=2.0,
            why="standard deviation of grey, 0 to 255; under 2 it looks blank",
            below=True,
        ),
        Check(
            reason="low_information",
            meaning="less entropy than decide.min_entropy_bits; value = bits per pixel",
            column="entropy_bits",
            threshold="min_entropy_bits",
            default=0.3,
            why="of the grey histogram; flat drawings reach 0.5 and more",
            below=True,
        ),
        Check(
            reason="blurry",
            meaning="less detail than decide.min_sharpness; value = variance of the Laplacian",
            column="sharpness",
            threshold="min_sharpness",
            default=0.0,
            why="variance of the Laplacian; 0 = off, drawings are smooth by design",
            below=True,
        ),
        Check(
            reason="greyscale",
            meaning="it has no colour, and decide.max_greyscale is 0",
            column="greyscale",
            threshold="max_greyscale",
            default=1.0,
            why="1 = greyscale pictures stay, 0 = they leave",
            below=False,
        ),
    )

    def measure(self, picture: Picture) -> dict[str, Any]:
        grey = picture.grey
        _, contrast = cv2.meanStdDev(grey)
        # Pech-Pacheco et al. (2000), "Diatom autofocusing in brightfield microscopy"
        _, sharpness = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
        return {
            "visible": picture.decoded.visible,
            "contrast": float(contrast[0, 0]),
            # every second pixel of every second row: the same levels, and a quarter of the work
            "entropy_bits": grey_entropy_bits(np.ascontiguousarray(grey[::2, ::2])),
            "sharpness": float(sharpness[0, 0]) ** 2,
            "greyscale": bool(_spread(picture).max() <= 8),
        }


def _spread(picture: Picture) -> np.ndarray:
    """(h, w) uint8 difference between each pixel's strongest and weakest channel."""
    red, green, blue = picture.red, picture.green, picture.blue
    high, low = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    return cv2.subtract(high, low)


def grey_entropy_bits(grey: np.ndarray) -> float:
    """Shannon entropy in bits of the 256-bin histogram of an (h, w) uint8 picture."""
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel()
    share = counts[counts > 0].astype(np.float64) / grey.size
    return float(-(share * np.log2(share)).sum()) + 0.0  # no negative zero
