"""Filters measure pictures; thresholds of the recipe decide later what the numbers mean."""

from __future__ import annotations

from emo8.measure.filters import colour, copies, exposure, geometry, integrity, quality
from emo8.measure.filters.base import Filter

# One decode of a picture feeds all of them, in this order.
FILTERS: tuple[Filter, ...] = (
    integrity.Integrity(),
    geometry.Geometry(),
    quality.Quality(),
    exposure.Exposure(),
    colour.Colour(),
    copies.DuplicateViews(),
)
