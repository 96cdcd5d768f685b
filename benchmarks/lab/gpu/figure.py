"""The arms' losses as a small SVG: no plotting library is asked for on a borrowed machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT, EDGE = 640, 360, 48
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")


def draw(arms: Mapping[str, Any]) -> str:
    """Loss against steps, each arm relative to its first value, both axes as they are."""
    curves = {
        name: [(step, value / arm["curve"][0][1]) for step, value in arm["curve"] if value]
        for name, arm in arms.items()
        if isinstance(arm, dict) and arm.get("curve")
    }
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{EDGE}" y="24">loss, as a share of the first; steps</text>',
    ]
    last = max((step for curve in curves.values() for step, _ in curve), default=1)
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{_x(step, last):.1f},{_y(value):.1f}" for step, value in curve)
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        lines.append(
            f'<text x="{WIDTH - 160}" y="{EDGE + 16 * number}" fill="{colour}">'
            f"{escape(name)} {curve[-1][1]:.3f} at {curve[-1][0]}</text>"
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _x(step: float, last: float) -> float:
    return EDGE + (WIDTH - 2 * EDGE) * step / max(1, last)


def _y(value: float) -> float:
    return HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * min(1.0, max(0.0, value if value == value else 1))
