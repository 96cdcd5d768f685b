"""Figures of results as SVG: confusion, reliability, intervals, and bars per style or group."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import predictions
from benchmarks.metrics import ECE_BINS
from benchmarks.tasks import CLASS_TASKS
from emo8.errors import SourceError

COLOR, PALE = "#0072B2", "#999999"


def draw(results: Sequence[dict[str, Any]], files: Sequence[Path], folder: Path) -> list[Path]:
    """The files drawn; reliability only where the predictions of a result lie beside it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "emo8"
    folder.mkdir(parents=True, exist_ok=True)
    labelled = [r for r in results if r.get("task", "single") in CLASS_TASKS]
    drawn = []
    for result in labelled:
        stem = _stem(result)
        if "confusion" in result:
            drawn.append(_confusion(result, folder / f"confusion-{stem}.svg"))
        found = _stored(result, files)
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
        prob = np.array(table.column("probs").to_pylist())
        said, label = (table.column(c).to_pylist() for c in ("predicted", "label"))
        return prob.max(axis=1), np.array([a == b for a, b in zip(said, label, strict=True)])
    return None


def _confusion(result: dict[str, Any], path: Path) -> Path:
    """Rows are what was claimed, columns what was said; shares of each row."""
    from matplotlib import pyplot

    counts = np.array(result["confusion"], dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names, size = result["emotions"], len(result["emotions"])
    side = 2.2 + 0.45 * size
    figure, axes = pyplot.subplots(figsize=(side + 0.8, side), layout="constrained")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(size):
        for column in range(size):
            color = "white" if shares[row, column] > 0.55 else "black"
            text = f"{counts[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
    axes.set_xticks(range(size), names, rotation=45, ha="right")
    axes.set_yticks(range(size), names)
    axes.set_xlabel("said")
    axes.set_ylabel("claimed")
    axes.set_title(_title(result), fontsize=9)
    return _save(figure, path)


def _reliability(
    result: dict[str, Any], confidence: np.ndarray, right: np.ndarray, path: Path
) -> Path:
    """Share of right answers in each bin of confidence; bar width says how many lie there."""
    from matplotlib import pyplot

    which = np.clip(np.ceil(confidence * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
    counts = np.bincount(which, minlength=ECE_BINS)
    hits = np.bincount(which, right, minlength=ECE_BINS)
    filled = counts > 0
    middle = np.bincount(which, confidence, minlength=ECE_BINS)[filled] / counts[filled]
    figure, axes = pyplot.subplots(figsize=(4.6, 4.4), layout="constrained")
    axes.plot([0, 1], [0, 1], color="#cccccc", linestyle=":")
    axes.plot(middle, hits[filled] / counts[filled], "o-", color=COLOR)
    for x, y, n in zip(middle, hits[filled] / counts[filled], counts[filled], strict=True):
        axes.annotate(str(n), (x, y), fontsize=7, xytext=(3, 4), textcoords="offset points")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share that was right")
    axes.set_title(f"{_title(result)}\nECE {result['metrics']['ece']:.3f}", fontsize=9)
    return _save(figure, path)


def _styles(result: dict[str, Any], path: Path) -> Path:
    from matplotlib import pyplot

    styles = result["per_style"]
    figure, axes = pyplot.subplots(figsize=(6, 0.5 * len(styles) + 1.4), layout="constrained")
    names = [f"{name} ({found['n']})" for name, found in styles.items()]
    axes.barh(names, [found["accuracy"] for found in styles.values()], color=COLOR)
    axes.set(xlim=(0, 1), xlabel="accuracy")
    axes.set_title(_title(result), fontsize=9)
    return _save(figure, path)


def _intervals(results: Sequence[dict[str, Any]], path: Path) -> Path:
    """Accuracy of every result with its 95% interval; grey marks are majority and chance."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 0.32 * len(results) + 1.2), layout="constrained")
    for place, result in enumerate(reversed(results)):
        low, high = result["interval95"]["accuracy"]
        axes.plot([low, high], [place, place], color=COLOR, linewidth=2)
        axes.plot(result["metrics"]["accuracy"], place, "o", color=COLOR, markersize=5)
        simple = result.get("baselines", {})
        axes.plot(list(simple.values()), [place] * len(simple), "|", color=PALE)
    axes.set_yticks(range(len(results)), [_title(r) for r in reversed(results)], fontsize=8)
    axes.set(xlim=(0, 1), xlabel="accuracy, 95% interval; grey: chance and majority")
    return _save(figure, path)


def _save(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot

    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path
