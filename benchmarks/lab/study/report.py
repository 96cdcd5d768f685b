"""The report of the claim study: table, intervals, paired tests, figures, from its JSON files.

What a person reads out of the numbers stands in `reading.md` beside the JSON files and is taken
over as it is; everything else is made anew each time. Shapes: M asked pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.lab.study import figures, measured, paired
from benchmarks.lab.study.arms import ARMS
from benchmarks.lab.study.data import CHOICE, TEST
from benchmarks.lab.study.measured import Measured
from benchmarks.lab.study.paired import Comparison
from benchmarks.lab.study.probe import Index, ProbeFaces
from emo8.core.errors import SourceError

BASE = "full"  # what the others are compared with
PRIMARY = ("scratch", "mae", "distillation", "without_person")
PLAIN = "plain"  # what the cheaper variants are compared with: the teacher runs in every step
CHEAPER = {"full": "cached_teacher: four stored crops", "light_decoder": "light_decoder"}
CONTROLS = figures.CONTROLS  # not compared with `full` beside the primary question
SEEDS = 3  # pretraining seeds that were promised
READING = "reading.md"
POWER = 1.96 + 0.84  # two-sided 0.05, 80%


@dataclass(frozen=True, kw_only=True)
class Page:
    """What every part of the report is made from."""

    arms: dict[str, Measured]
    asked: list[int]
    faces: ProbeFaces
    side: str  # "choice" or "test"
    steps: int

    @property
    def families(self) -> tuple[str, ...]:
        return TEST if self.side == "test" else CHOICE

    @property
    def clusters(self) -> Index:
        return self.faces.codepoint[self.asked]

    @property
    def majority(self) -> float:
        """Accuracy of always saying the commonest emotion of the faces that teach."""
        target = self.faces.target
        teaches = ~np.isin(self.faces.family, TEST)
        if self.side == "choice":
            teaches[self.asked] = False
        commonest = np.bincount(target[teaches]).argmax()
        return float(np.mean(target[self.asked] == commonest))


def write(out: Path, steps: int, faces: ProbeFaces) -> Path:
    """`claim.md` with its figures; on the choice families alone where the others are closed."""
    folder = out / "claim" / f"steps-{steps}"
    side = "test" if any(folder.glob("test-*.json")) else "choice"
    arms, asked = measured.load(folder, side, faces)
    if not arms:
        raise SourceError(f"nothing is measured in {folder}: run the study first.")
    page = Page(
        arms={arm.name: arm for arm in arms}, asked=asked, faces=faces, side=side, steps=steps
    )
    drawn = figures.draw(folder, arms, page.clusters, majority=page.majority)
    lines = _page(page, folder)
    lines += [f"![{path.stem}]({path.relative_to(out).as_posix()})\n" for path in drawn]
    path = out / "claim.md"
    path.write_text("\n".join(lines), "utf-8")
    return path


def _page(page: Page, folder: Path) -> list[str]:
    tested: list[Comparison] = []
    if BASE in page.arms:
        others = [page.arms[name] for name in PRIMARY if name in page.arms]
        tested = paired.against(page.arms[BASE], others, page.clusters)
    reading = folder / READING
    told = [reading.read_text("utf-8").rstrip(), ""] if reading.is_file() else []
    return [
        *_head(page),
        *told,
        *_table(page),
        *_baselines(page, tested),
        *_tests(tested),
        *_cheaper(page),
        *_explored(page),
        *_shares(page),
        *_not_run(page),
    ]


def _head(page: Page) -> list[str]:
    option = " --open-test" if page.side == "test" else ""
    lines = [
        "# Is UniEmoX better? What was measured",
        "",
        "Preregistered in [`claim.md`](../lab/study/claim.md). Made by `python -m "
        "benchmarks.lab.study "
        f"--corpus CORPUS --work WORK --steps {page.steps}{option}`.",
        "",
        f"Budget: {page.steps} steps of 64 pictures per arm and seed. Asked about "
        f"{len(page.asked)} faces of {', '.join(page.families)}.",
        "",
    ]
    if page.side == "choice":
        lines += ["**The test families have not been opened: these are the choice families.**", ""]
    few = [name for name in (*PRIMARY, BASE) if len(_seeds(page, name)) < SEEDS]
    if few:
        lines += [
            f"**Unfinished:** fewer than {SEEDS} pretraining seeds of {', '.join(few)}. With one "
            "seed, the interval does not contain the spread between pretraining seeds.",
            "",
        ]
    return lines


def _seeds(page: Page, name: str) -> tuple[int, ...]:
    return page.arms[name].seeds if name in page.arms else ()


def _table(page: Page) -> list[str]:
    from sklearn.metrics import f1_score

    asked, faces = page.asked, page.faces
    family = np.array([faces.family[i] for i in asked])
    strong, target = faces.strong[asked], faces.target[asked]
    head = ["arm", "seeds", "linear [95%]", *page.families, "macro F1", "kNN", "strong labels"]
    head += ["unseen code"]
    lines = ["## Accuracy", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for arm in page.arms.values():
        low, high = paired.interval(arm, page.clusters)
        f1 = np.mean(
            [
                f1_score(target, said, labels=np.unique(target), average="macro", zero_division=0)
                for said in arm.said.reshape(-1, len(asked))
            ]
        )
        own = [arm.per_picture[family == name].mean() for name in page.families]
        rest = [f1, arm.knn.mean(), arm.per_picture[strong].mean(), arm.unseen.mean()]
        cells = [str(len(arm.seeds)), f"{arm.right.mean():.3f} [{low:.3f}, {high:.3f}]"]
        cells += [f"{value:.3f}" for value in (*own, *rest)]
        lines.append(f"| {arm.name} | {' | '.join(cells)} |")
    return [*lines, "", *(f"- `{arm.name}`: {arm.what}" for arm in page.arms.values()), ""]


def _baselines(page: Page, tested: list[Comparison]) -> list[str]:
    n = len(page.asked)
    lines = [
        f"Chance 0.125; majority of the training faces {page.majority:.3f}. Smallest difference "
        f"that {n} pictures can show with 80% power where single runs disagree on 0.4 of them: "
        f"{POWER * np.sqrt(0.4 / n):.2f}."
    ]
    if tested:
        seen = [POWER * (c.high - c.low) / (2 * 1.96) for c in tested]
        lines[0] += (
            " With the spread that was seen over code points and seeds: "
            f"{min(seen):.2f} to {max(seen):.2f}, before the correction for several tests."
        )
    return [*lines, ""]


def _tests(tested: list[Comparison]) -> list[str]:
    if not tested:
        return ["## Paired tests", "", f"`{BASE}` is not measured yet.", ""]
    return [
        "## Paired tests",
        "",
        f"`{BASE}` minus the other arm; p by sign flips over code points, corrected after Holm.",
        "",
        *_comparisons(tested),
    ]


def _comparisons(tested: list[Comparison]) -> list[str]:
    lines = ["| against | difference [95%] | p | corrected p | verdict |", "|---|---|---|---|---|"]
    for c in tested:
        lines.append(
            f"| {c.other} | {c.difference:+.3f} [{c.low:+.3f}, {c.high:+.3f}] | {c.p:.4f} | "
            f"{c.corrected:.4f} | {c.verdict} |"
        )
    return [*lines, ""]


def _cheaper(page: Page) -> list[str]:
    """Probe accuracy of the cheaper variants against `plain`; nothing until it is measured."""
    plain = page.arms.get(PLAIN)
    found = [page.arms[name] for name in CHEAPER if name in page.arms]
    if plain is None or not found:
        return []
    lines = [
        "## The cheaper variants",
        "",
        "The variant minus `plain` (teacher in every step, fresh crops); the interval covers code "
        "points and the pretraining seeds that both have. Lower is said where it lies below zero.",
        *_few_shared(plain, found),
        "",
        f"| variant | accuracy of each seed | `plain`: {_each(plain)} | verdict |",
        "|---|---|---|---|",
    ]
    for arm in found:
        c = paired.compare(arm, plain, page.clusters)
        verdict = "lower than plain" if c.high < 0 else "not lower than plain"
        lines.append(
            f"| {CHEAPER[arm.name]} | {_each(arm)} | {c.difference:+.3f} "
            f"[{c.low:+.3f}, {c.high:+.3f}] | {verdict} |"
        )
    return [*lines, ""]


def _few_shared(plain: Measured, found: list[Measured]) -> list[str]:
    shared = min(len({*plain.seeds} & {*arm.seeds}) for arm in found)
    if shared >= SEEDS:
        return []
    return [f"**Unfinished: {shared} of {SEEDS} pretraining seeds, which settles nothing.**"]


def _each(arm: Measured) -> str:
    return ", ".join(f"{value:.3f}" for value in arm.right.mean(axis=(1, 2)))


def _explored(page: Page) -> list[str]:
    """The arms that are no part of the primary question, against `full`."""
    known = {BASE, *PRIMARY, *CONTROLS, PLAIN, *CHEAPER}
    others = [arm for name, arm in page.arms.items() if name not in known]
    if BASE not in page.arms or not others:
        return []
    return [
        "## Other arms",
        "",
        f"`{BASE}` minus the other arm, beside the primary question; Holm over these alone.",
        "",
        *_comparisons(paired.against(page.arms[BASE], others, page.clusters)),
    ]


def _shares(page: Page) -> list[str]:
    arms = list(page.arms.values())
    shares = list(arms[0].shares)
    head = ["arm", *(f"{float(share):.0%}" for share in shares)]
    lines = ["## Accuracy against the share of labels", ""]
    lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for arm in arms:
        lines.append(f"| {arm.name} | {' | '.join(f'{arm.shares[s]:.3f}' for s in shares)} |")
    return [*lines, ""]


def _not_run(page: Page) -> list[str]:
    """What was promised and is missing here."""
    lines = []
    for name in ARMS:
        done = len(_seeds(page, name))
        if done < SEEDS:
            said = "not run" if not done else f"{done} of {SEEDS} pretraining seeds"
            lines.append(f"- `{name}` ({ARMS[name]().what}): {said}")
    return ["## Not run", "", *lines, ""] if lines else []
