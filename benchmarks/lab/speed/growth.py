"""Figures of growth: time and memory over rows, log against log, with the fitted exponent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
        for curve, color in zip(lines, COLORS, strict=False):
            exponent, factor = curve.fit()
            rows = np.array([min(curve.rows), max(curve.rows)], dtype=float)
            place.plot(rows, factor * rows**exponent, color=color, linewidth=1)
            told = f"{curve.name}: rows^{exponent:.2f}"
            place.plot(curve.rows, curve.values, "o", color=color, label=told)
        place.set(xscale="log", yscale="log", xlabel="rows", ylabel=label)
        place.grid(which="major", color="#dddddd", linewidth=0.6)
        place.legend(frameon=False, fontsize="small")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return True
