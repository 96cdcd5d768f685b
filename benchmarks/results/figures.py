"""Figures of results as SVG: confusion, reliability, intervals, and bars per style or group."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.problem.tasks import CLASS_TASKS
from benchmarks.results import predictions
from benchmarks.results.cases import Case, by_case
from emo8.core.errors import SourceError
from emo8.core.stats import ECE_BINS, bins_of, wilson

# Okabe and Ito's colours, told apart by colour-blind eyes; yellow is too pale for lines
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKS = {"chance": "|", "majority": "D", "one person": "^", "perfect model": "*"}  # in grey
COLOR, PALE = COLORS[0], "#999999"


def draw(results: Sequence[dict[str, Any]], files: Sequence[Path], folder: Path) -> list[Path]:
    """The files drawn; reliability only where the predictions of a result lie beside it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "emo8"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"--figures {folder} cannot be made: {error.strerror}.") from error
    labelled = [r for r in results if r.get("task", "single") in CLASS_TASKS]
    drawn = []
    for result in labelled:
        stem = _stem(result)
        if "confusion" in result:
            drawn.append(_confusion(result, folder / f"confusion-{stem}.svg"))
        found = _stored(result, files) if "ece" in result["metrics"] else None
        if found is not None:
            drawn.append(_reliability(result, *found, folder / f"reliability-{stem}.svg"))
        if result.get("per_style"):
            drawn.append(_styles(result, folder / f"styles-{stem}.svg"))
    if labelled:
        drawn.append(_intervals(labelled, folder / "intervals.svg"))
    return drawn


def _stem(result: dict[str, Any]) -> str:
    parts = [result["dataset"], result["protocol"], Path(result["model"]).name]
    parts += [str(result["group"])] if result.get("group") else []
    name = "-".join([*parts, f"seed{result['seed']}"])
    return f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', name)}-{result['config_hash'][:6]}"


def _title(result: dict[str, Any]) -> str:
    where = f", {result['group']}" if result.get("group") else ""
    model = Path(result["model"]).name
    return f"{model}, {result['protocol']}, {result['dataset']}{where} (n {result['n']})"


def _stored(result: dict[str, Any], files: Sequence[Path]) -> tuple[np.ndarray, np.ndarray] | None:
    """Confidence and whether it was right, of each prediction; None where none are stored."""
    for path in files:
        try:
            table, _ = predictions.read(path, result["config_hash"])
        except SourceError:
            continue
        said, label = (table.column(c).to_pylist() for c in ("predicted", "label"))
        right = np.array([a == b for a, b in zip(said, label, strict=True)])
        if "confidence" in table.column_names and table["confidence"].null_count < len(table):
            sure = table["confidence"].to_numpy(zero_copy_only=False)
            return sure[np.isfinite(sure)], right[np.isfinite(sure)]
        return np.array(table.column("probs").to_pylist()).max(axis=1), right
    return None


def _confusion(result: dict[str, Any], path: Path) -> Path:
    """Rows are what was claimed, columns what was said; colour is the share of the row."""
    from matplotlib import pyplot

    counts = np.array(result["confusion"], dtype=float)
    claimed = counts.sum(axis=1)
    shares = counts / np.maximum(claimed[:, None], 1)
    names, size = result["emotions"], len(result["emotions"])
    columns = result.get("confusion_columns", names)
    side, wide = 2.2 + 0.42 * size, 3.4 + 0.42 * len(columns)
    figure, axes = pyplot.subplots(figsize=(wide, side), layout="constrained")
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts > 0):
        color = "white" if shares[row, column] > 0.55 else "black"
        text = f"{counts[row, column]:.1f}".removesuffix(".0")
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
    labels = [f"{name} ({n:.0f})" for name, n in zip(names, claimed, strict=True)]
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), labels)
    for label, n in zip(axes.get_yticklabels(), claimed, strict=True):
        label.set_color("black" if n else PALE)
    axes.tick_params(length=0, labelsize=9)
    axes.set_xlabel("said")
    axes.set_ylabel("claimed (pictures)")
    figure.colorbar(shown, ax=axes, shrink=0.6, label="share of the row")
    figure.suptitle(_title(result), fontsize=9)
    return save(figure, path)


def _reliability(
    result: dict[str, Any], confidence: np.ndarray, right: np.ndarray, path: Path
) -> Path:
    """Share of right answers in each bin of confidence; below, how many answers lie in it."""
    from matplotlib import pyplot

    which = bins_of(confidence)
    counts = np.bincount(which, minlength=ECE_BINS)
    filled = counts > 0
    hits = np.bincount(which, right, minlength=ECE_BINS)[filled] / counts[filled]
    middle = np.bincount(which, confidence, minlength=ECE_BINS)[filled] / counts[filled]
    figure, (axes, below) = pyplot.subplots(
        2, 1, figsize=(4.2, 5.2), layout="constrained", sharex=True, height_ratios=(4, 1)
    )
    axes.plot([0, 1], [0, 1], color=PALE, linestyle=":", label="perfectly calibrated")
    axes.plot(middle, hits, "o-", color=COLOR, markersize=5, clip_on=False, zorder=3)
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that was right")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    below.bar((np.arange(ECE_BINS) + 0.5) / ECE_BINS, counts, width=0.9 / ECE_BINS, color=COLOR)
    below.set(xlabel="confidence", ylabel="answers")
    figure.suptitle(f"{_title(result)}\nECE {result['metrics']['ece']:.3f}", fontsize=9)
    return save(figure, path)


def _styles(result: dict[str, Any], path: Path) -> Path:
    """A bar per style with its 95% Wilson interval."""
    from matplotlib import pyplot

    styles = dict(reversed(result["per_style"].items()))  # the first on top
    figure, axes = pyplot.subplots(figsize=(6, 0.45 * len(styles) + 1.3), layout="constrained")
    names = [f"{name} ({found['n']})" for name, found in styles.items()]
    found = [one["accuracy"] for one in styles.values()]
    axes.barh(names, found, color=COLOR, height=0.6)
    for place, one in enumerate(styles.values()):
        hits = round(one["accuracy"] * one["n"])
        axes.plot(wilson(hits, one["n"]), [place, place], color="black", linewidth=1)
        axes.text(1.02, place, f"{one['accuracy']:.2f}", va="center", fontsize=9)
    axes.set(xlim=(0, 1), xlabel="accuracy, 95% interval")
    figure.suptitle(_title(result), fontsize=9)
    return save(figure, path)


def _intervals(results: Sequence[dict[str, Any]], path: Path) -> Path:
    """Accuracy and its 95% interval: a line per data set, group and protocol, a colour per model.

    Seeds are averaged, as in the table; grey marks are chance, majority, and what people reach.
    """
    from matplotlib import pyplot

    found_of = by_case(results)
    models = list(dict.fromkeys(case.model for case in found_of))
    cases: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for case, runs in found_of.items():
        for run in runs:
            cases.setdefault(_case(case, run), {}).setdefault(case.model, []).append(run)
    gap, marked = min(0.24, 0.8 / len(models)), set[str]()
    height = len(cases) * max(0.3, 0.14 * len(models)) + 1.3
    figure, axes = pyplot.subplots(figsize=(8, height), layout="constrained")
    for place, found in enumerate(cases.values()):
        for number, model in enumerate(models):
            if model in found:
                at = place + (number - (len(models) - 1) / 2) * gap
                _mark(axes, found[model], at, COLORS[number % len(COLORS)])
        runs = [run for own in found.values() for run in own]
        for name, mark in MARKS.items():
            known = [value for run in runs if (value := _baseline(run, name)) is not None]
            if known:
                axes.plot(np.mean(known), place, mark, color=PALE, markersize=5, zorder=1)
                marked.add(name)
    for number, model in enumerate(models):
        axes.plot([], [], "o-", color=COLORS[number % len(COLORS)], label=Path(model).name)
    for name, mark in MARKS.items():
        if name in marked:
            axes.plot([], [], mark, color=PALE, markersize=5, label=name)
    axes.set_yticks(range(len(cases)), list(cases), fontsize=8)
    axes.set_ylim(len(cases) - 0.4, -0.6)
    axes.grid(axis="x", color="#eeeeee")
    axes.set(xlim=(0, 1), xlabel="accuracy, 95% interval", axisbelow=True)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    return save(figure, path)


def _baseline(result: dict[str, Any], name: str) -> float | None:
    """What a guess, or people, reach on the pictures of a result."""
    people = result.get("people", {}).get("metrics", {})
    beside = {"one person": people.get("person"), "perfect model": people.get("ceiling")}
    known: dict[str, float | None] = {**result.get("baselines", {}), **beside}
    return known.get(name)


def _mark(axes: Any, runs: Sequence[dict[str, Any]], at: float, color: str) -> None:
    """Mean and mean interval of the seeds of one model."""
    low, high = np.mean([run["interval95"]["accuracy"] for run in runs], axis=0)
    axes.plot([low, high], [at, at], color=color, linewidth=2, clip_on=False)
    mean = np.mean([run["metrics"]["accuracy"] for run in runs])
    axes.plot(mean, at, "o", color=color, markersize=4, clip_on=False)


def _case(case: Case, result: dict[str, Any]) -> str:
    """What one line of the intervals is about: all but model and seed."""
    parts = [part for part in (case.dataset, case.group, case.protocol) if part]
    return f"{', '.join(parts)} (n {result['n']})"


def save(figure: Any, path: Path) -> Path:
    """`path`, written without a date so that equal figures are equal files."""
    from matplotlib import pyplot

    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path
