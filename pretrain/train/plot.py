"""Curves of runs in one picture: `uniemox plot RUN…`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pretrain.train.metrics import read_metrics
from pretrain.train.trackers import flat

# what is drawn where it is in a log: "losses/" is every loss there, whatever its name
PANELS = ("loss", "losses/", "lr", "grad_norm", "timing/images_s", "timing/data_s", "knn")
LOG_SCALE = ("grad_norm", "timing/data_s")  # the others read best on a linear axis
COLUMNS = 3
SMOOTHED = 50  # points that a smoothed curve is made of
MARKED = (("resumed_from", "tab:gray"), ("spike", "tab:red"), ("skipped_step", "tab:purple"))


def plot(runs: Sequence[Path], out: Path) -> int:
    """Number of panels drawn to `out`; ValueError where a RUN has no steps.

    The thin line is every step, the thick one a running mean. Grey: resumed, red: a spike, purple:
    a skipped step.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    logs = {_label(run, runs): _lines(run) for run in runs}
    names = panels(list(logs.values()))
    rows = -(-len(names) // COLUMNS)
    figure, axes = pyplot.subplots(
        rows, COLUMNS, figsize=(5 * COLUMNS, 3.2 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(names) :]:
        axis.remove()
    for axis, name in zip(axes.flat, names):
        for number, (label, lines) in enumerate(logs.items()):
            steps, values = curve(lines, name)
            colour = f"C{number}"
            axis.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
            axis.plot(steps, smoothed(values), color=colour, linewidth=1.6, label=label)
            _mark(axis, lines)
        axis.set(title=name, xlabel="step", yscale="log" if name in LOG_SCALE else "linear")
        axis.grid(alpha=0.3)
    axes.flat[0].legend()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)
    return len(names)


def panels(logs: Sequence[Sequence[dict[str, Any]]]) -> list[str]:
    """Names of the numbers to draw: those of PANELS that some log has."""
    logged = {name for lines in logs for line in lines for name in flat(line)}
    wanted = [sorted(n for n in logged if n.startswith(p)) if p[-1] == "/" else [p] for p in PANELS]
    return [name for part in wanted for name in part if name in logged]


def curve(lines: Sequence[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    """Steps and values of one number, where it was logged."""
    found = [(line["step"], flat(line)[name]) for line in lines if name in flat(line)]
    return [step for step, _ in found if step is not None], [value for _, value in found]


def smoothed(values: Sequence[float]) -> list[float]:
    """Running mean over a window that leaves about SMOOTHED points of detail."""
    width = max(1, len(values) // SMOOTHED)
    means, total = [], 0.0
    for place, value in enumerate(values):
        total += value
        if place >= width:
            total -= values[place - width]
        means.append(total / min(place + 1, width))
    return means


def _lines(run: Path) -> list[dict[str, Any]]:
    path = run / "metrics.jsonl" if run.is_dir() else run
    lines = read_metrics(path)
    if not any("step" in line for line in lines):
        raise ValueError(f"{run}: no steps in {path}; is it a RUN of `uniemox pretrain`?")
    return [{"step": line.get("resumed_from"), **line} for line in lines]


def _label(run: Path, runs: Sequence[Path]) -> str:
    """The folder's name, with its parent where names repeat."""
    same = [other for other in runs if other.name == run.name]
    return run.name if len(same) == 1 else f"{run.parent.name}/{run.name}"


def _mark(axis: Any, lines: Sequence[dict[str, Any]]) -> None:
    for name, colour in MARKED:
        for line in lines:
            if line.get(name):
                axis.axvline(line["step"], color=colour, linewidth=0.6, linestyle=":")
