"""The page of what was learned: curves, growth, paired intervals, from the committed results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emo8.core.errors import SourceError

SEEDS = 3  # that were promised
RESAMPLES = 4000
COMPARISONS = 4
ADDED = 8  # comparisons of the questions that were added
PRIMARY = ("20", "200")  # labels for each style
AGAINST = ("untrained", "pixels")
AGREEMENT = 0.6
NUMBERS = ("pictures_explained", "families_explained", "pictures_by_features",
           "families_by_features", "families_agreement")  # fmt: skip


def write(out: Path) -> Path:
    """`learning.md`; SourceError where nothing is measured."""
    runs = [
        json.loads(path.read_text("utf-8")) for path in sorted((out / "learning").glob("*.json"))
    ]
    if not runs:
        raise SourceError(f"nothing is measured in {out / 'learning'}: run an arm first.")
    lines = [
        "# What was learned",
        "",
        "Planned in [`learning.md`](../lab/study/learning.md). Made by `python -m "
        "benchmarks.lab.study.learn --report` from the files in `learning/`.",
        "",
        *_unfinished(runs),
        *_last(runs),
        *_curves(runs),
        *_tests(runs),
        *_added(runs),
    ]
    path = out / "learning.md"
    path.write_text("\n".join(lines), "utf-8")
    return path


def _unfinished(runs: list[dict[str, Any]]) -> list[str]:
    counts = {run["arm"]: sum(other["arm"] == run["arm"] for other in runs) for run in runs}
    few = [f"{name} ({count} of {SEEDS})" for name, count in counts.items() if count < SEEDS]
    return [f"**Unfinished, seeds: {', '.join(few)}.**", ""] if few else []


def _last(runs: list[dict[str, Any]]) -> list[str]:
    """Where each arm stood at the end of its budget, and what stands beside it."""
    head = ["arm", "seed", "steps", "CPU min", *NUMBERS, *(f"style, {n} labels" for n in PRIMARY)]
    lines = ["## At the end of the budget", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for run in runs:
        point = run["points"][-1]
        cells = [run["arm"], run["seed"], point["steps"], f"{point['cpu_s'] / 60:.1f}"]
        lines.append(_row([*cells, *_numbers(point)]))
    for name in ("untrained", "pixels", "teacher"):
        lines.append(_row([name, runs[0]["seed"], "", "", *_numbers(runs[0]["beside"][name])]))
    return [*lines, ""]


def _numbers(point: dict[str, Any]) -> list[str]:
    found = [f"{point[name]:.3f}" if name in point else "" for name in NUMBERS]
    return [*found, *(f"{np.mean(point['styles'][n]):.3f}" for n in PRIMARY)]


def _row(cells: list[Any]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _curves(runs: list[dict[str, Any]]) -> list[str]:
    """Variance explained against steps, and the exponent of growth."""
    lines = ["## Growth", "", "Share of the teacher's variance explained on unseen pictures.", ""]
    for run in runs:
        points = [(p["steps"], p["pictures_explained"]) for p in run["points"]
                  if p.get("pictures_explained", 0) > 0]  # fmt: skip
        told = ", ".join(f"{value:.3f} at {steps:,}" for steps, value in points)
        lines.append(f"- {run['arm']} seed {run['seed']}: {told or 'no student'}{_growth(points)}")
    return [*lines, ""]


def _growth(points: list[tuple[int, float]]) -> str:
    if len(points) < 3:
        return ""
    steps, values = np.log(np.array(points)).T
    return f"; grows as steps to the power {np.polyfit(steps, values, 1)[0]:.2f}"


def _tests(runs: list[dict[str, Any]]) -> list[str]:
    """`full` against the untrained network and raw pixels, as planned."""
    full = [run for run in runs if run["arm"] == "full"]
    if not full:
        return ["## Tests", "", "`full` is not measured yet.", ""]
    head = "| labels for each style | against | difference | corrected interval | verdict |"
    lines = ["## Tests", "", head, "|---|---|---|---|---|"]
    for count in PRIMARY:
        mine = np.array([run["points"][-1]["styles"][count] for run in full])
        for name in AGAINST:
            theirs = np.array([run["beside"][name]["styles"][count] for run in full])
            lines.append(_row([count, name, *_judged(mine - theirs, COMPARISONS)]))
    agreed = [run["points"][-1].get("families_agreement", 0.0) for run in full]
    reached = "reached" if min(agreed) >= AGREEMENT else "missed"
    told = ", ".join(f"{value:.2f}" for value in agreed)
    lines += ["", f"Zero-shot agreement on unseen families: {told}; the target of {AGREEMENT} is "
              f"{reached}.", ""]  # fmt: skip
    return lines


def _added(runs: list[dict[str, Any]]) -> list[str]:
    """The questions of transfer that were added: every arm's mean, and `full` tested."""
    asked = [run for run in runs if "transfer" in run]
    if not asked:
        return []
    keys = [(question, n) for question, found in asked[0]["transfer"]["run"].items() for n in found]
    head = ["arm", "seed", *(f"{question}, {n} labels" for question, n in keys)]
    lines = ["## Added questions: emotions of unseen artists, topics of unseen pictures", ""]
    lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for run in asked:
        lines.append(_row([run["arm"], run["seed"], *_means(run["transfer"]["run"], keys)]))
    for name in ("untrained", "pixels", "teacher"):
        found = asked[0]["transfer"][name]
        lines.append(_row([name, asked[0]["seed"], *_means(found, keys)]))
    full = [run["transfer"] for run in asked if run["arm"] == "full"]
    if not full:
        return [*lines, ""]
    lines += ["", "| `full` on | against | difference | corrected interval | verdict |"]
    lines += ["|---|---|---|---|---|"]
    for question, n in keys:
        for name in AGAINST:
            gaps = np.array([found["run"][question][n] for found in full])
            gaps -= np.array([found[name][question][n] for found in full])
            lines.append(_row([f"{question}, {n} labels", name, *_judged(gaps, ADDED)]))
    return [*lines, ""]


def _means(found: dict[str, Any], keys: list[tuple[str, str]]) -> list[str]:
    return [f"{np.mean(found[question][n]):.3f}" for question, n in keys]


def _judged(gaps: npt.NDArray[np.float64], comparisons: int) -> list[str]:
    """Mean difference, its corrected interval, and what that says."""
    low, high = interval(gaps, comparisons)
    verdict = "better" if low > 0 else "worse" if high < 0 else "no difference was shown"
    return [f"{gaps.mean():+.3f}", f"{low:+.3f} to {high:+.3f}", verdict]


def interval(gaps: npt.NDArray[np.float64], comparisons: int) -> tuple[float, float]:
    """Of the mean of (S, N) differences: seeds and pictures drawn with replacement, Bonferroni."""
    rng = np.random.default_rng(20261128)
    seeds, pictures = gaps.shape
    means = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        drawn = gaps[rng.integers(0, seeds, seeds)].mean(axis=0)
        means[i] = drawn[rng.integers(0, pictures, pictures)].mean()
    tail = 0.05 / comparisons / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return float(low), float(high)
