"""The figure of what was learned: curves against steps, and gains on questions of transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lab.study.arms import CURVES_OF
from benchmarks.results.figures import COLORS, save

SIDES = (("pictures", "-", "unseen pictures"), ("families", "--", "unseen artists"))
TICKS = (250, 500, 1000, 2000, 4000, 8000, 16000)
Gain = tuple[str, str, float, float, float]  # question, against, mean, low, high


def draw(path: Path, runs: Sequence[dict[str, Any]], gains: Mapping[str, Sequence[Gain]]) -> Path:
    """The SVG: curves, and beside them a panel of gains for each arm in `gains`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "emo8"
    count = 1 + len(gains)
    figure, panels = pyplot.subplots(1, count, figsize=(5 * count, 4.2), layout="constrained")
    _curves(panels[0], runs)
    for axes, (arm, found) in zip(panels[1:], gains.items(), strict=True):
        _gains(axes, arm, found)
    return save(figure, path)


def _curves(axes: Any, runs: Sequence[dict[str, Any]]) -> None:
    """Mean over seeds, and each seed as a thin line."""
    arms = [arm for arm in CURVES_OF if any(run["arm"] == arm for run in runs)]
    for number, arm in enumerate(arms):
        for side, line, told in SIDES:
            seeds = [
                [
                    (point["steps"], point[f"{side}_explained"])
                    for point in run["points"]
                    if f"{side}_explained" in point
                ]
                for run in runs
                if run["arm"] == arm
            ]
            for points in seeds:
                axes.plot(*zip(*points, strict=True), line, color=COLORS[number], lw=0.5, alpha=0.5)
            # the n-th points of all seeds, which lie at nearly the same steps
            means = [tuple(np.mean(nth, axis=0)) for nth in zip(*seeds, strict=False)]
            if means:
                axes.plot(
                    *zip(*means, strict=True), line, color=COLORS[number], marker="o",
                    markersize=4, linewidth=1.6, label=f"{arm}, {told}",
                )  # fmt: skip
    axes.axhline(0, color="#bbbbbb", linewidth=1)
    axes.set_xscale("log")
    most = max((point["steps"] for run in runs for point in run["points"]), default=0)
    ticks = [steps for steps in TICKS if steps <= most]
    axes.set_xticks(ticks, [f"{steps:,}" for steps in ticks])
    axes.minorticks_off()
    axes.set_xlabel("steps of 64 pictures")
    axes.set_ylabel("share of the teacher's variance explained")
    axes.set_title("It learns what it is taught", fontsize=11)
    axes.legend(frameon=False, fontsize=8)


def _gains(axes: Any, arm: str, gains: Sequence[Gain]) -> None:
    """The arm minus the untrained network and minus raw pixels, with corrected intervals."""
    questions = list(dict.fromkeys(gain[0] for gain in gains))
    for number, against in enumerate(dict.fromkeys(gain[1] for gain in gains)):
        for question, _, mean, low, high in (gain for gain in gains if gain[1] == against):
            place = len(questions) - questions.index(question) - 0.3 * number
            axes.plot([low, high], [place, place], color=COLORS[number], linewidth=2)
            label = f"minus {against}" if question == questions[0] else None
            axes.plot(mean, place, "os"[number % 2], color=COLORS[number], label=label)
    axes.axvline(0, color="#bbbbbb", linewidth=1)
    axes.set_yticks([len(questions) - n - 0.15 for n in range(len(questions))], questions)
    axes.set_xlabel("gain in accuracy, corrected 95% interval")
    axes.set_title(f"Does it transfer? Gains of {arm}", fontsize=11)
    axes.legend(frameon=False, fontsize=8)
