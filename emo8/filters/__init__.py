"""Filters measure pictures; thresholds of the recipe decide later what the numbers mean."""

from __future__ import annotations

from emo8.filters import colour, copies, geometry, integrity, quality
from emo8.filters.base import Check, Filter

# One decode of a picture feeds all of them, in this order.
FILTERS: tuple[Filter, ...] = (
    integrity.Integrity(),
    geometry.Geometry(),
    quality.Quality(),
    colour.Colour(),
    copies.Copies(),
)
# The first check that fails gives the reason.
CHECKS: tuple[Check, ...] = tuple(check for item in FILTERS for check in item.checks)
