"""Figures of the claim study: accuracy with intervals, and against the share of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.lab.study import paired
from benchmarks.lab.study.measured import Measured
from benchmarks.results.figures import COLORS, save

FIELDS_A_ROW = 3
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
    """Accuracy against the share of labels: a field per arm, the others behind it in grey."""
    from matplotlib import pyplot

    rows = -(-len(arms) // FIELDS_A_ROW)
    figure, fields = pyplot.subplots(
        rows, FIELDS_A_ROW, figsize=(7.5, 1.7 * rows + 0.6), layout="constrained",
        sharex=True, sharey=True, squeeze=False,
    )  # fmt: skip
    shares = [100 * float(share) for share in arms[0].shares]
    for field, arm in zip(fields.flat, arms, strict=False):
        for other in arms:
            field.plot(shares, list(other.shares.values()), color="#dddddd", linewidth=0.8)
        color = CONTROL_COLOR if arm.name in CONTROLS else COLORS[0]
        field.plot(shares, list(arm.shares.values()), "o-", color=color, markersize=4)
        field.axhline(majority, color="#bbbbbb", linestyle="--", linewidth=1)
        field.set_title(arm.name, fontsize=9, loc="left", color=color)
        field.set_xscale("log")
        field.set_xticks(shares, [f"{share:g}" for share in shares], fontsize=8)
        field.minorticks_off()
        field.tick_params(labelsize=8)
    for field in list(fields.flat)[len(arms) :]:
        field.remove()
    fields[0, 0].set_ylim(bottom=0)
    figure.supxlabel("share of the training labels, %; dashed: majority; grey: controls", size=9)
    figure.supylabel("accuracy of the linear probe", size=9)
    return save(figure, path)
