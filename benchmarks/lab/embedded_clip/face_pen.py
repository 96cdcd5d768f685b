"""Lines and shapes on a canvas whose unit is half the width of a head.

(0, 0) is the point between the eyes, x to the right, y down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

WHITE: Colour = (255, 255, 255)
INKS: tuple[Colour, ...] = ((0, 0, 0), (20, 20, 30), (50, 35, 30), (40, 50, 60))


class Pen:
    """Draws in one ink and line width about `centre`; `unit` is in pixels."""

    def __init__(
        self, image: Image.Image, centre: tuple[float, float], unit: float, rng: np.random.Generator
    ) -> None:
        self.draw = ImageDraw.Draw(image)
        self.centre, self.unit = centre, unit
        self.ink = INKS[rng.integers(len(INKS))]
        self.width = max(2, round(unit * rng.uniform(0.05, 0.13)))

    def line(self, points: Points) -> None:
        """A line with round ends."""
        placed = self._placed(points)
        self.draw.line(placed, fill=self.ink, width=self.width, joint="curve")
        r = self.width / 2
        for x, y in (placed[0], placed[-1]):
            self.draw.ellipse((x - r, y - r, x + r, y + r), fill=self.ink)

    def shape(self, points: Points, fill: Colour, *, edge: bool = False) -> None:
        """A filled polygon, outlined where `edge`."""
        placed = self._placed(points)
        self.draw.polygon(placed, fill=fill)
        if edge:
            closed = [*placed, *placed[:2]]
            self.draw.line(closed, fill=self.ink, width=self.width, joint="curve")

    def oval(
        self, x: float, y: float, a: float, b: float, fill: Colour, *, edge: bool = False
    ) -> None:
        """An ellipse with half axes `a` across and `b` down."""
        self.shape(arc(x, y, a, b, 0, 360), fill, edge=edge)

    def _placed(self, points: Points) -> list[tuple[float, float]]:
        (x0, y0), unit = self.centre, self.unit
        return [(x0 + x * unit, y0 + y * unit) for x, y in points]


def arc(
    x: float, y: float, a: float, b: float, start: float, stop: float
) -> list[tuple[float, float]]:
    """Points of an ellipse about (x, y) from `start` to `stop` degrees, clockwise from the east."""
    angles = np.radians(np.linspace(start, stop, 24))
    return [(x + a * math.cos(t), y + b * math.sin(t)) for t in angles]


def star(x: float, y: float, size: float) -> list[tuple[float, float]]:
    """The ten corners of a star."""
    return [
        (x + r * math.sin(k * math.pi / 5), y - r * math.cos(k * math.pi / 5))
        for k, r in ((k, size if k % 2 == 0 else 0.45 * size) for k in range(10))
    ]


def any_colour(rng: np.random.Generator) -> Colour:
    """Any colour, light ones more often."""
    red, green, blue = (int(255 * value) for value in rng.random(3) ** 0.6)
    return red, green, blue
