"""Figures of the claim study: accuracy with intervals, and against the share of labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from benchmarks.study.report import Measured

COLOR, CONTROL_COLOR = "#0072B2", "#999999"


def draw(
    folder: Path,
    arms: Sequence[Measured],
    clusters: npt.NDArray[np.int64],
    interval: Callable[[Measured, npt.NDArray[np.int64]], tuple[float, float]],
) -> list[Path]:
    """The SVG files drawn."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "emo8"
    bars = folder / "accuracy.svg"
    figure, axes = pyplot.subplots(figsize=(7, 0.5 * len(arms) + 1.2), layout="constrained")
    for place, arm in enumerate(reversed(arms)):
        low, high = interval(arm, clusters)
        color = CONTROL_COLOR if arm.what.startswith("control") else COLOR
        mean = float(arm.right.mean())
        axes.plot([low, high], [place, place], color=color, linewidth=2)
        axes.plot(mean, place, "o", color=color)
        each = arm.right.mean(axis=(1, 2))
        axes.plot(each, [place + 0.22] * len(each), "|", color=color, markersize=6)
    axes.axvline(1 / 8, color="#cccccc", linestyle=":", label="chance")
    axes.set_yticks(range(len(arms)), [arm.name for arm in reversed(arms)])
    axes.set_xlabel("accuracy of the linear probe, 95% interval; ticks: pretraining seeds")
    axes.legend(frameon=False)
    _save(figure, bars)
    curve = folder / "label_shares.svg"
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for arm in arms:
        shares = [100 * float(share) for share in arm.shares]
        axes.plot(shares, list(arm.shares.values()), "o-", markersize=3, label=arm.name)
    axes.set_xscale("log")
    axes.set_xlabel("share of the training labels, %")
    axes.set_ylabel("accuracy")
    axes.legend(frameon=False, fontsize=8)
    _save(figure, curve)
    return [bars, curve]


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
