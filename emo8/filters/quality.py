"""Whether there is anything to see: visibility, contrast, information, detail."""

from __future__ import annotations

from typing import Any, ClassVar

import cv2
import numpy as np
import pyarrow as pa

from emo8.filters.base import Check, Picture


class Quality:
    """Numbers that blank, empty or blurred pictures give away."""

    columns: ClassVar[dict[str, pa.DataType]] = {
        "visible": pa.float32(),  # share of pixels that are not transparent
        "contrast": pa.float32(),  # standard deviation of grey, 0 to 255
        "entropy_bits": pa.float32(),  # Shannon entropy of the grey histogram, 0 to 8
        "sharpness": pa.float32(),  # variance of the Laplacian of grey
        "greyscale": pa.bool_(),  # no pixel's channels differ by more than 8
    }
    checks: ClassVar[tuple[Check, ...]] = (
        Check(reason="transparent", column="visible", threshold="min_visible", below=True),
        Check(reason="blank", column="contrast", threshold="min_contrast", below=True),
        Check(
            reason="low_information",
            column="entropy_bits",
            threshold="min_entropy_bits",
            below=True,
        ),
        Check(reason="blurry", column="sharpness", threshold="min_sharpness", below=True),
    )

    def measure(self, picture: Picture) -> dict[str, Any]:
        grey, small = picture.grey, picture.small
        spread = small.max(axis=2) - small.min(axis=2)
        return {
            "visible": picture.decoded.visible,
            "contrast": float(grey.std()),
            "entropy_bits": grey_entropy_bits(grey),
            # Pech-Pacheco et al. (2000), "Diatom autofocusing in brightfield microscopy"
            "sharpness": float(cv2.Laplacian(grey, cv2.CV_32F).var()),
            "greyscale": bool(spread.max() <= 8),
        }


def grey_entropy_bits(grey: np.ndarray) -> float:
    """Shannon entropy in bits of the 256-bin histogram of an (h, w) uint8 picture."""
    counts = np.bincount(grey.ravel(), minlength=256)
    share = counts[counts > 0] / grey.size
    return float(-(share * np.log2(share)).sum()) + 0.0  # no negative zero
