"""In the domain and out of it: one network that learned from other pictures, asked about faces."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.lab.study.arms import DOMAINS
from benchmarks.lab.study.intervals import judged, mean_interval

OUT = "out_of_domain"
LOOKS = ("untrained", "pixels", "teacher")
LEFT_OUT = ("Google", "Microsoft")
Run = dict[str, Any]
Answers = dict[str, list[float]]  # {question: (N,) how often a picture was told right}


def lines(runs: list[Run]) -> list[str]:
    """The section; nothing before an arm out of the domain is measured."""
    arms = {arm: _asked(runs, arm) for arm in DOMAINS}
    out = arms[OUT]
    if not out:
        return []
    there = [arm for arm in DOMAINS if arms[arm]]
    found = ["## In the domain and out of it", ""]
    found += [f"- `{arm}`: {_what(runs, arm)} (seeds {_seeds(arms[arm])})" for arm in there]
    found += [
        "",
        "Captions of the artists' faces, which often name a feeling, are among what the first and "
        "the last learn from; emotion hints are not. Google and Microsoft: their faces are asked "
        "about, the classifier learns from all other artists' hints.",
    ]
    found += ["", f"| question | pictures | {' | '.join(there)} | {' | '.join(LOOKS)} |"]
    found.append("|---" * (2 + len(there) + len(LOOKS)) + "|")
    beside = {look: _answers(_first(runs), look) for look in LOOKS}
    for question, right in next(iter(out.values())).items():
        means = [np.mean([answers[question] for answers in arms[arm].values()]) for arm in there]
        means += [np.mean(beside[look][question]) for look in LOOKS]
        cells = [question, str(len(right)), *(f"{mean:.3f}" for mean in means)]
        found.append(f"| {' | '.join(cells)} |")
    return [*found, "", *_judged(arms)]


def _judged(arms: dict[str, dict[int, Answers]]) -> list[str]:
    """Every other arm against the one out of the domain, of equal seeds."""
    out = arms[OUT]
    questions = list(next(iter(out.values())))
    count = (len(DOMAINS) - 1) * len(questions)
    found = [f"| question | against `{OUT}` | difference | corrected interval | verdict |"]
    found.append("|---|---|---|---|---|")
    for arm in DOMAINS:
        seeds = sorted(set(arms[arm]) & set(out))
        for question in questions if seeds and arm != OUT else ():
            gaps = np.array([np.array(arms[arm][seed][question]) - np.array(out[seed][question])
                             for seed in seeds])  # fmt: skip
            found.append(f"| {question} | {arm} | {judged(*mean_interval(gaps, count))} |")
    return [*found, ""]


def _asked(runs: list[Run], arm: str) -> dict[int, Answers]:
    """{seed: what the arm of that seed told right}, of the runs that were asked everything."""
    return {
        run["seed"]: _answers(run, "run")
        for run in runs
        if run["arm"] == arm and "transfer" in run and run.get("artists")
    }


def _answers(run: Run, look: str) -> Answers:
    emotions = run["transfer"][look]["emotions"]
    found = {f"emotions of unseen artists, {n} labels": right for n, right in emotions.items()}
    left_out = run["artists"][look]
    return found | {f"{artist} left out": left_out[artist] for artist in LEFT_OUT}


def _first(runs: list[Run]) -> Run:
    return next(run for run in runs if run["arm"] == OUT and run.get("artists"))


def _what(runs: list[Run], arm: str) -> str:
    return str(next(run["what"] for run in runs if run["arm"] == arm))


def _seeds(found: dict[int, Answers]) -> str:
    return ", ".join(str(seed) for seed in found)
