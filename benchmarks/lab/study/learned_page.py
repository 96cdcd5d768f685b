"""The page of what was learned: curves, growth, paired intervals, from the committed results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.lab.study import arms, domain_page, further_page, learned_figure, parts_page
from benchmarks.lab.study.arms import CURVES_OF
from benchmarks.lab.study.intervals import RESAMPLES, judged, mean_interval
from emo8.core.errors import SourceError

SEEDS = 3  # that were promised
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
        "![What was learned, and whether it transfers](learning.svg)",
        "",
        *_unfinished(runs),
        *_last(runs),
        *_curves([run for run in runs if run["arm"] in CURVES_OF]),
        *(line for arm in CURVES_OF for line in _tests(runs, arm)),
        *_added(runs),
        *further_page.lines(runs),
        *domain_page.lines(runs),
        *parts_page.lines([run for run in runs if arms.get(run["arm"]).learned_from == "train"]),
    ]
    found = {arm: [*gains(runs, arm), *further_page.gains(runs, arm)] for arm in CURVES_OF}
    shown = {arm: every for arm, every in found.items() if every}
    learned_figure.draw(out / "learning.svg", runs, shown)
    path = out / "learning.md"
    path.write_text("\n".join(lines), "utf-8")
    return path


def gains(runs: list[dict[str, Any]], arm: str) -> list[learned_figure.Gain]:
    """What an arm gains over the untrained network and over raw pixels, on every question."""
    full = [run for run in runs if run["arm"] == arm]
    added = [run for run in full if "transfer" in run]
    found = []
    for name in AGAINST:
        for n in PRIMARY if full else ():
            gaps = [_gap(run["points"][-1]["styles"][n], run["beside"][name]["styles"][n])
                    for run in full]  # fmt: skip
            found.append((f"style, {n} labels", name, *mean_interval(np.array(gaps), COMPARISONS)))
        for question, n in _asked(added):
            gaps = [_gap(run["transfer"]["run"][question][n], run["transfer"][name][question][n])
                    for run in added]  # fmt: skip
            found.append((f"{question}, {n} labels", name, *mean_interval(np.array(gaps), ADDED)))
    return found


def _gap(mine: list[float], theirs: list[float]) -> npt.NDArray[np.float64]:
    return np.array(mine) - np.array(theirs)


def _asked(runs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(question, labels) of the questions that were added."""
    if not runs:
        return []
    return [(question, n) for question, by in runs[0]["transfer"]["run"].items() for n in by]


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


def _tests(runs: list[dict[str, Any]], arm: str) -> list[str]:
    """An arm against the untrained network of its size and raw pixels, as planned."""
    full = [run for run in runs if run["arm"] == arm]
    if not full:
        return [f"## Tests of `{arm}`", "", "It is not measured yet.", ""]
    agreed = [run["points"][-1].get("families_agreement", 0.0) for run in full]
    reached = "reached" if min(agreed) >= AGREEMENT else "missed"
    told = ", ".join(f"{value:.2f}" for value in agreed)
    return [
        f"## Tests of `{arm}`",
        "",
        *_judged([gain for gain in gains(runs, arm) if gain[0].startswith("style")], arm),
        f"Zero-shot agreement on unseen families: {told}; the target of {AGREEMENT} is {reached}."
        + (f" {_reached_at(full)}" if reached == "missed" else ""),
        "",
    ]


def _reached_at(runs: list[dict[str, Any]]) -> str:
    """At how many steps a line in log steps, fitted to all points, reaches the target."""
    points = np.array([(np.log(point["steps"]), point["families_agreement"])
                       for run in runs for point in run["points"]])  # fmt: skip
    rng = np.random.default_rng(20261128)
    drawn = [points[rng.integers(0, len(points), len(points))] for _ in range(RESAMPLES)]
    reached = [_crossing(one) for one in (points, *drawn)]
    low, high = np.quantile(reached[1:], (0.025, 0.975))
    if not np.isfinite(reached[0]):
        return "It does not grow with steps."
    end = f"{np.exp(high):,.0f}" if high < np.log(1e9) else "more than a billion"
    return (
        f"A line in log steps reaches it at {np.exp(reached[0]):,.0f} steps "
        f"(95% interval over points {np.exp(low):,.0f} to {end})."
    )


def _crossing(points: npt.NDArray[np.float64]) -> float:
    """Log steps at which the fitted line stands at the target; infinite where it never does."""
    if np.ptp(points[:, 0]) == 0:
        return np.inf
    slope, height = np.polyfit(points[:, 0], points[:, 1], 1)
    return float((AGREEMENT - height) / slope) if slope > 0 else np.inf


def _added(runs: list[dict[str, Any]]) -> list[str]:
    """The questions of transfer that were added: every arm's mean, and `full` tested."""
    asked = [run for run in runs if "transfer" in run]
    keys = _asked(asked)
    if not keys:
        return []
    head = ["arm", "seed", *(f"{question}, {n} labels" for question, n in keys)]
    lines = ["## Added questions: emotions of unseen artists, topics of unseen pictures", ""]
    lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for run in asked:
        lines.append(_row([run["arm"], run["seed"], *_means(run["transfer"]["run"], keys)]))
    for name in ("untrained", "pixels", "teacher"):
        found = asked[0]["transfer"][name]
        lines.append(_row([name, asked[0]["seed"], *_means(found, keys)]))
    lines.append("")
    for arm in dict.fromkeys(run["arm"] for run in asked):
        every = gains(runs, arm)
        lines += _judged([gain for gain in every if not gain[0].startswith("style")], arm)
    return lines


def _means(found: dict[str, Any], keys: list[tuple[str, str]]) -> list[str]:
    return [f"{np.mean(found[question][n]):.3f}" for question, n in keys]


def _judged(found: list[learned_figure.Gain], arm: str) -> list[str]:
    """A table of an arm's gains, with what their intervals say."""
    if not found:
        return []
    lines = [f"| question | `{arm}` against | difference | corrected interval | verdict |"]
    lines += ["|---|---|---|---|---|"]
    for question, name, mean, low, high in found:
        lines.append(_row([question, name, judged(mean, low, high)]))
    return [*lines, ""]
