"""The questions that were added on 29 November: artists left out, the person view, fine-tuning."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.lab.study.intervals import interval, judged, mean_interval
from benchmarks.lab.study.learned_figure import Gain

Run = dict[str, Any]
PERSON_TESTS = (("person", "random crop"), ("scene + person", "scene"))


def lines(runs: list[Run]) -> list[str]:
    """The sections whose questions were asked."""
    full = [run for run in runs if run["arm"] == "full"]
    return [
        *_artists([run for run in full if run.get("artists", {}).get("run")]),
        *_person_view([run for run in runs if "person_view" in run]),
        *_fine_tuned([run for run in full if "fine_tuned" in run]),
    ]


def gains(runs: list[Run], arm: str) -> list[Gain]:
    """What an arm gains over the untrained network where the whole encoder is fine-tuned."""
    asked = [run["fine_tuned"] for run in runs if run["arm"] == arm and "fine_tuned" in run]
    questions = list(asked[0]["run"]) if asked else []
    found = []
    for question in questions:
        gaps = _gaps([(one["run"][question], one["untrained"][question]) for one in asked])
        within = mean_interval(gaps, len(questions))
        found.append((f"fine-tuned: {question}", "untrained", *within))
    return found


def _artists(runs: list[Run]) -> list[str]:
    if not runs:
        return []
    looks = ("run", "untrained", "pixels", "teacher")
    found = [
        "## Leave one artist out",
        "",
        f"Emotions of one artist's faces, learned from the others' ({_seeds(runs)}); share right. "
        "fxemoji and dylan were never seen in pretraining either.",
        "",
        "| artist left out | pictures | full | untrained | pixels | teacher | full - untrained |",
        "|---|---|---|---|---|---|---|",
    ]
    for artist, right in runs[0]["artists"]["run"].items():
        means = [_mean([run["artists"][look][artist] for run in runs]) for look in looks]
        gap = _gap([(run["artists"]["run"][artist], run["artists"]["untrained"][artist])
                    for run in runs], 1)  # fmt: skip
        cells = [artist, str(len(right)), *(f"{mean:.3f}" for mean in means), gap]
        found.append(f"| {' | '.join(cells)} |")
    return [*found, "", "Intervals of 95 %, not corrected: a description.", ""]


def _person_view(runs: list[Run]) -> list[str]:
    full = [run for run in runs if run["arm"] == "full"]
    if not full:
        return []
    alone = [run for run in runs if run["arm"] == "without_person"]
    overlap = full[0]["person_view"]["overlap"]["asked"][0]
    found = [
        "## The person view, where there is a person",
        "",
        "Share of what the teacher says of a figure alone that a ridge regression reads from views "
        f"of a composite with it; {len(full[0]['person_view']['run']['scene'])} composites of "
        f"unseen pictures ({_seeds(full)}). The random crop has the person's size and holds "
        f"{overlap:.0%} of the person's on average.",
        "",
        "| views | full | without_person | untrained | teacher |",
        "|---|---|---|---|---|",
    ]
    for views in full[0]["person_view"]["teacher"]:
        cells = [
            _told([run["person_view"]["run"][views] for run in full]),
            _told([run["person_view"]["run"][views] for run in alone]),
            *(_told([run["person_view"][name][views] for run in full])
              for name in ("untrained", "teacher")),
        ]  # fmt: skip
        found.append(f"| {views} | {' | '.join(cells)} |")
    found += ["", "| `full`, views | against | difference | corrected interval | verdict |"]
    found += ["|---|---|---|---|---|"]
    for better, other in PERSON_TESTS:
        pairs = [(run["person_view"]["run"][better], run["person_view"]["run"][other])
                 for run in full]  # fmt: skip
        found.append(f"| {better} | {other} | {_judged(pairs, len(PERSON_TESTS))} |")
    told = ", ".join(
        f"{_mean([run['person_view']['run'][f'student with {view}'] for run in full]):.3f} with "
        f"{words}"
        for view, words in (("person", "the person"), ("random", "the random crop"),
                            ("scene", "the scene again"))
    )  # fmt: skip
    return [*found, "", f"Explained of the teacher's scene feature by the student: {told}.", ""]


def _fine_tuned(runs: list[Run]) -> list[str]:
    if not runs:
        return []
    questions = list(runs[0]["fine_tuned"]["run"])
    found = [
        "## Fine-tuned",
        "",
        f"The whole encoder learns the question, from `full` and from the untrained network "
        f"({_seeds(runs)}); share right.",
        "",
        "| question | full | untrained | difference | corrected interval | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for question in questions:
        means = [_told([run["fine_tuned"][name][question] for run in runs])
                 for name in ("run", "untrained")]  # fmt: skip
        pairs = [(run["fine_tuned"]["run"][question], run["fine_tuned"]["untrained"][question])
                 for run in runs]  # fmt: skip
        found.append(f"| {question} | {' | '.join(means)} | {_judged(pairs, len(questions))} |")
    return [*found, ""]


def _seeds(runs: list[Run]) -> str:
    return f"seeds {', '.join(str(run['seed']) for run in runs)}"


def _mean(values: list[list[float]]) -> float:
    return float(np.mean(values))


def _told(values: list[list[float]]) -> str:
    return f"{_mean(values):.3f}" if values else ""


def _gaps(pairs: list[tuple[list[float], list[float]]]) -> npt.NDArray[np.float64]:
    return np.array([np.array(mine) - np.array(other) for mine, other in pairs])


def _gap(pairs: list[tuple[list[float], list[float]]], comparisons: int) -> str:
    gaps = _gaps(pairs)
    low, high = interval(gaps, comparisons)
    return f"{gaps.mean():+.3f} ({low:+.3f} to {high:+.3f})"


def _judged(pairs: list[tuple[list[float], list[float]]], comparisons: int) -> str:
    return judged(*mean_interval(_gaps(pairs), comparisons))
