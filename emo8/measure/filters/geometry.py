"""Size and shape of the upright picture."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow as pa

from emo8.measure.filters.base import Check, Picture


class Geometry:
    """Width, height, the shorter side and the aspect ratio."""

    columns: ClassVar[dict[str, pa.DataType]] = {
        "width": pa.int32(),  # pixels, upright
        "height": pa.int32(),
        "min_side_px": pa.int32(),
        "aspect": pa.float32(),  # long side / short side, at least 1
    }
    checks: ClassVar[tuple[Check, ...]] = (
        Check(reason="extreme_aspect", column="aspect", threshold="max_aspect", below=False),
        Check(reason="too_small", column="min_side_px", threshold="min_side_px", below=True),
    )

    def measure(self, picture: Picture) -> dict[str, Any]:
        width, height = picture.decoded.width, picture.decoded.height
        short, long = sorted((width, height))
        return {"width": width, "height": height, "min_side_px": short, "aspect": long / short}
