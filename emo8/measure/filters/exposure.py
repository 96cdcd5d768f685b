"""Whether the light is right: how bright the brightest and the darkest parts are."""

from __future__ import annotations

from typing import Any, ClassVar

import cv2
import numpy as np
import pyarrow as pa

from emo8.core.checks import Check
from emo8.measure.filters.base import Filter, Picture


class Exposure(Filter):
    """Percentiles of perceived brightness, as cleanvision defines its "dark" and "light" issues.

    Perceived brightness of a pixel is sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2) / 255 (Finley 2006,
    "HSP Color Model"); a picture is dark when even its 99th percentile is low, and light when its
    5th is high.
    """

    order: ClassVar[int] = 3
    columns: ClassVar[dict[str, pa.DataType]] = {
        "bright_p99": pa.float32(),  # 0 to 1
        "bright_p5": pa.float32(),
    }
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            reason="too_dark",
            meaning="its 99th percentile of brightness is under decide.min_bright_p99; "
            "value = 0..1",
            column="bright_p99",
            threshold="min_bright_p99",
            default=0.05,
            why="even the brightest 1 % darker is black; cleanvision flags 0.32",
            below=True,
        ),
        Check(
            reason="too_bright",
            meaning="its 5th percentile of brightness is over decide.max_bright_p5; value = 0..1",
            column="bright_p5",
            threshold="max_bright_p5",
            default=1.0,
            why="1 = off: drawings stand on white paper; cleanvision flags 0.95",
            below=False,
        ),
    )

    def measure(self, picture: Picture) -> dict[str, Any]:
        total = np.zeros(picture.red.shape, np.float32)
        for channel, weight in (
            (picture.red, 0.241),
            (picture.green, 0.691),
            (picture.blue, 0.068),
        ):
            total += cv2.multiply(channel, channel, scale=weight, dtype=cv2.CV_32F)
        levels = cv2.convertScaleAbs(cv2.sqrt(total))
        counts = cv2.calcHist([levels], [0], None, [256], [0, 256]).ravel()
        share = np.cumsum(counts) / levels.size
        p5, p99 = np.searchsorted(share, [0.05, 0.99])
        return {"bright_p99": float(p99) / 255, "bright_p5": float(p5) / 255}
