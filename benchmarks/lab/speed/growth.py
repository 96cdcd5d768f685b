"""Figures of growth: time and memory over rows, log against log, with the fitted exponent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_MOST_NAMED = 2  # curves of one field that have their name beside them
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One thing that grows with the rows."""

    name: str
    rows: Sequence[float]
    values: Sequence[float]

    def fit(self) -> tuple[float, float]:
        """(exponent, factor) of values = factor * rows ** exponent, least squares of the logs."""
        exponent, logged = np.polyfit(np.log(self.rows), np.log(self.values), 1)
        return float(exponent), float(np.exp(logged))


def curves(name: str, found: Mapping[str, Any]) -> dict[str, list[Curve]]:
    """Label of the axis -> its curves, for a script that measures growth; empty for others."""
    if name == "memory":
        sizes = found["sizes"]
        rows = [size["rows"] for size in sizes]

        def curve(title: str, key: str) -> Curve:
            return Curve(name=title, rows=rows, values=[size[key] for size in sizes])

        held = [curve("main process", "main_mb"), curve("worker", "worker_mb")]
        return {"seconds": [curve("whole build, one worker", "seconds")], "MB at the peak": held}
    if name == "duplicates":
        runs = {f"exact, {key}": told["runs"] for key, told in found["exact"].items()}
        if "wide" in found:
            runs["wide"] = found["wide"]["runs"]
        drawn = [
            Curve(name=key, rows=[r["rows"] for r in told], values=[r["seconds"] for r in told])
            for key, told in runs.items()
        ]
        return {"CPU seconds": drawn}
    return {}


def draw(name: str, found: Mapping[str, Any], path: Path) -> bool:
    """Write the figure of one script as SVG; False where it measures no growth."""
    axes_of = curves(name, found)
    if not axes_of:
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "emo8"
    figure, axes = pyplot.subplots(
        1, len(axes_of), figsize=(4.6 * len(axes_of), 3.6), layout="constrained", squeeze=False
    )
    for place, (label, lines) in zip(axes[0], axes_of.items(), strict=True):
        _draw_lines(place, lines)
        place.set_ylabel(label)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return True


def _draw_lines(place: Any, lines: Sequence[Curve]) -> None:
    """The curves on log axes of plain numbers, with name and exponent; many in a legend."""
    place.set(xscale="log", yscale="log", xlabel="rows")
    place.spines[["top", "right"]].set_visible(False)
    for curve, color in zip(lines, COLORS, strict=False):
        exponent, factor = curve.fit()
        rows = np.array([min(curve.rows), max(curve.rows)], dtype=float)
        place.plot(rows, factor * rows**exponent, color=color, linewidth=1)
        told, last = f"{curve.name}: rows^{exponent:.2f}", factor * rows[1] ** exponent
        place.plot(curve.rows, curve.values, "o", color=color, label=told)
        if len(lines) <= _MOST_NAMED:
            place.annotate(
                told, (rows[1], last), xytext=(0, 9), textcoords="offset points", ha="right",
                color=color, fontsize=9,
            )  # fmt: skip
    if len(lines) > _MOST_NAMED:
        place.legend(frameon=False, fontsize=9, loc="lower right")
    sizes = sorted({size for curve in lines for size in curve.rows})
    values = [value for curve in lines for value in curve.values]
    place.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
    place.set_yticks(_round_steps(min(values), max(values)))
    place.set_ylim(min(values) / (1.4 if len(lines) <= _MOST_NAMED else 20), max(values) * 1.6)
    place.yaxis.set_major_formatter("{x:,g}")
    place.minorticks_off()
    place.grid(axis="y", color="#e6e6e6")
    place.set_axisbelow(True)


def _round_steps(low: float, high: float) -> list[float]:
    """Powers of ten, over a short range also 2 and 5 times, that the axis shows."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    digits = (1, 2, 5) if high < 100 * low else (1,)
    steps = [digit * 10.0**power for power in powers for digit in digits]
    return [step for step in steps if low / 1.4 <= step <= high * 1.6]
