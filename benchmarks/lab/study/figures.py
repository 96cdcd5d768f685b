"""Figures of the claim study: accuracy with intervals, and against the share of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.lab.study import paired
from benchmarks.lab.study.measured import Measured
from benchmarks.results.figures import COLORS, save

MARKERS = "os^Dv<>"
CONTROL_COLOR = "#777777"
CONTROLS = ("pixels", "teacher", "scratch", "supervised_hints")


def draw(
    folder: Path, arms: Sequence[Measured], clusters: npt.NDArray[np.int64], *, majority: float
) -> list[Path]:
    """The SVG files drawn."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "emo8"
    return [
        _accuracy(folder / "accuracy.svg", arms, clusters, majority),
        _shares(folder / "label_shares.svg", arms, majority),
    ]


def _accuracy(
    path: Path, arms: Sequence[Measured], clusters: npt.NDArray[np.int64], majority: float
) -> Path:
    """One line per arm: interval, mean, and a small tick per pretraining seed."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 0.42 * len(arms) + 1.3), layout="constrained")
    for place, arm in enumerate(reversed(arms)):
        low, high = paired.interval(arm, clusters)
        color = CONTROL_COLOR if arm.name in CONTROLS else COLORS[0]
        axes.plot([low, high], [place, place], color=color, linewidth=2, solid_capstyle="butt")
        axes.plot(float(arm.right.mean()), place, "o", color=color)
        each = arm.right.mean(axis=(1, 2))
        axes.plot(each, [place + 0.25] * len(each), "|", color=color, markersize=7)
    axes.axvline(1 / 8, color="#bbbbbb", linestyle=":", label="chance")
    axes.axvline(majority, color="#bbbbbb", linestyle="--", label="majority")
    axes.set_yticks(range(len(arms)), [arm.name for arm in reversed(arms)])
    axes.set_ylim(-0.6, len(arms) - 0.4)
    axes.set_xlim(left=0)
    axes.set_xlabel(
        "accuracy of the linear probe, 95% interval; ticks: pretraining seeds; grey: controls"
    )
    figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    return save(figure, path)


def _shares(path: Path, arms: Sequence[Measured], majority: float) -> Path:
    """Accuracy against the share of labels, one curve per arm, controls dashed."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 4.2), layout="constrained")
    for number, arm in enumerate(arms):
        shares = [100 * float(share) for share in arm.shares]
        axes.plot(
            shares,
            list(arm.shares.values()),
            marker=MARKERS[number % len(MARKERS)],
            color=COLORS[number % len(COLORS)],
            linestyle="--" if arm.name in CONTROLS else "-",
            markersize=4,
            linewidth=1.4,
            label=arm.name,
        )
    axes.axhline(majority, color="#bbbbbb", linestyle="--", linewidth=1, label="majority")
    axes.set_xscale("log")
    ticks = [100 * float(share) for share in arms[0].shares]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("share of the training labels, %")
    axes.set_ylabel("accuracy of the linear probe")
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return save(figure, path)
