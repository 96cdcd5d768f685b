"""Size and shape of the upright picture."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow as pa

from emo8.core.checks import Check
from emo8.measure.filters.base import Filter, Picture


class Geometry(Filter):
    """Width, height, the shorter side and the aspect ratio."""

    order: ClassVar[int] = 1
    columns: ClassVar[dict[str, pa.DataType]] = {
        "width": pa.int32(),  # pixels, upright
        "height": pa.int32(),
        "min_side_px": pa.int32(),
        "aspect": pa.float32(),  # long side / short side, at least 1
    }
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            reason="extreme_aspect",
            meaning="long side by short side is over decide.max_aspect; value = ratio",
            column="aspect",
            threshold="max_aspect",
            default=5.0,
            why="long side / short side; a square crop of more shows a fifth",
            below=False,
        ),
        Check(
            reason="too_small",
            meaning="the shorter side is under decide.min_side_px; value = pixels",
            column="min_side_px",
            threshold="min_side_px",
            default=64,
            why="under this a ViT at 224 px sees mostly interpolation",
            below=True,
        ),
    )

    def measure(self, picture: Picture) -> dict[str, Any]:
        width, height = picture.decoded.width, picture.decoded.height
        short, long = sorted((width, height))
        return {"width": width, "height": height, "min_side_px": short, "aspect": long / short}
