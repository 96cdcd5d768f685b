"""The pictures of a run as pixels, for protocols that look at more than one pooled feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.adapters.base import Box, LabelledRows
from benchmarks.features.features import Progress, decode_view
from benchmarks.features.views import DEFAULT_CROP, PersonCrop


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """N usable pictures, decoded when asked for."""

    rows: LabelledRows
    index: list[int]  # (N,) row numbers in the dataset
    digests: list[str]  # (N,)
    view: str  # scene, person, or both (then `views` has two entries)
    cache: Path
    crop: PersonCrop = DEFAULT_CROP
    progress: Progress | None = None

    @property
    def views(self) -> tuple[str, ...]:
        return ("scene", "person") if self.view == "both" else (self.view,)

    def box(self, number: int) -> Box | None:
        """The person's box of a usable picture."""
        return None if self.rows.boxes is None else self.rows.boxes[self.index[number]]

    def pixels(self, which: Sequence[int], view: str) -> list[npt.NDArray[np.uint8]]:
        """uint8 (H, W, 3) of the usable pictures numbered `which`."""
        wanted = [self.index[int(i)] for i in which]
        found = []
        for row, data in zip(wanted, self.rows.images(wanted), strict=True):
            pixels = decode_view(data, self.rows, row, view, self.crop)
            if isinstance(pixels, str):
                raise OSError(f"row {row} of {self.rows.origin} no longer decodes: {pixels}")
            found.append(pixels)
        return found
