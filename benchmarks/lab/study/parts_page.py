"""What each part of the method adds: every arm beside `full`, at equal steps and equal CPU time."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.lab.study.intervals import RESAMPLES

NUMBERS = ("pictures_explained", "families_explained", "families_agreement",
           "pictures_by_features", "families_by_features", "style, 20 labels",
           "style, 200 labels")  # fmt: skip
Run = dict[str, Any]
Numbers = dict[str, float]


def lines(runs: list[Run]) -> list[str]:
    """The section; nothing while `full` stands alone."""
    arms = list(dict.fromkeys(run["arm"] for run in runs if run["arm"] != "full"))
    full = {run["seed"]: run for run in runs if run["arm"] == "full"}
    if not arms or not full:
        return []
    steps = _common(runs)
    others = [run for run in runs if run["arm"] != "full" and run["seed"] in full]
    found = ["## What each part adds", ""]
    found += [f"- `{arm}`: {_of(others, arm)[0]['what']}" for arm in arms]
    found += ["", "Means of the seeds for `full`; for the others the difference from `full` of the "
              "same seed, with the range of a 95 % bootstrap over the seeds (of three: little more "
              "than their span). An arm without L1 and L2 has no student.", ""]  # fmt: skip
    if steps:
        at_steps = {run["seed"]: _at_steps(run, steps) for run in full.values()}
        pairs = [(run, _at_steps(run, steps)) for run in others]
        found += [f"### After {steps:,} steps", "", *_table(arms, at_steps, pairs)]
    budgets = sorted({_minutes(run) for run in others})
    if budgets:
        found += [
            "Curves are read at equal CPU time by a line in its log between their points.",
            "",
        ]
    for minutes in budgets:
        there = [run for run in others if _minutes(run) >= minutes]
        at_time = {seed: _at_time(run, 60.0 * minutes) for seed, run in full.items()}
        pairs = [(run, _at_time(run, 60.0 * minutes)) for run in there]
        found += [f"### After {minutes} CPU minutes", "", *_table(arms, at_time, pairs)]
    return found


def _of(runs: list[Run], arm: str) -> list[Run]:
    return [run for run in runs if run["arm"] == arm]


def _minutes(run: Run) -> int:
    """The budget of CPU time that the run has spent."""
    return round(run["points"][-1]["cpu_s"] / 60)


def _common(runs: list[Run]) -> int:
    """The largest number of steps at which every run was asked; 0 where there is none."""
    return max(
        set.intersection(*({point["steps"] for point in run["points"]} for run in runs)), default=0
    )


def _at_steps(run: Run, steps: int) -> Numbers:
    return next(_numbers(point) for point in run["points"] if point["steps"] == steps)


def _at_time(run: Run, cpu_s: float) -> Numbers:
    """The numbers at that CPU time, on lines in its logarithm between the points."""
    times = np.log([point["cpu_s"] for point in run["points"]])
    rows = [_numbers(point) for point in run["points"]]
    if len(rows) == 1:
        return rows[0]
    return {
        name: float(np.interp(np.log(cpu_s), times, [row[name] for row in rows]))
        for name in rows[0]
    }


def _numbers(point: dict[str, Any]) -> Numbers:
    styles = {f"style, {n} labels": float(np.mean(point["styles"][n])) for n in ("20", "200")}
    return {name: (point | styles)[name] for name in NUMBERS if name in point | styles}


def _table(
    arms: list[str], full: dict[int, Numbers], others: list[tuple[Run, Numbers]]
) -> list[str]:
    asked = [name for name in NUMBERS if all(name in row for row in full.values())]
    means = [f"{np.mean([row[name] for row in full.values()]):.3f}" for name in asked]
    found = [f"| arm | steps | {' | '.join(asked)} |", "|---" * (len(asked) + 2) + "|"]
    found.append(f"| full | | {' | '.join(means)} |")
    for arm in arms:
        mine = [(run, row) for run, row in others if run["arm"] == arm]
        if not mine:
            continue
        steps = np.mean([run["points"][-1]["steps"] for run, _ in mine])
        gaps = [[row[name] - full[run["seed"]][name] for run, row in mine if name in row]
                for name in asked]  # fmt: skip
        cells = [_told(gap) if gap else "" for gap in gaps]
        found.append(f"| {arm} | {steps:,.0f} in all | {' | '.join(cells)} |")
    return [*found, ""]


def _told(gaps: list[float]) -> str:
    rng = np.random.default_rng(20261129)
    drawn = rng.choice(gaps, size=(RESAMPLES, len(gaps))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{np.mean(gaps):+.3f} ({low:+.3f} to {high:+.3f})"
