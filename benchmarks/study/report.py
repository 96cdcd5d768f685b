"""The report of the claim study: table, intervals, paired tests, figures, from its JSON files.

Shapes: M test pictures, S pretraining seeds, P probe seeds, B resamples.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.study import figures
from benchmarks.study.arms import ARMS
from benchmarks.study.data import CHOICE, TEST
from benchmarks.study.probe import Faces
from emo8.errors import SourceError

RESAMPLES = 2000
FLIPS = 10_000
ALPHA = 0.05
BASE = "full"  # what the others are compared with
PRIMARY = ("scratch", "mae", "distillation", "without_person")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All seeds of one arm on the same M pictures."""

    name: str
    what: str
    seeds: tuple[int, ...]
    right: npt.NDArray[np.float64]  # (S, P, M) 1 where the linear probe was right
    knn: npt.NDArray[np.float64]  # (S, P, M)
    unseen: npt.NDArray[np.float64]  # (S, M) right with unseen code points
    said: npt.NDArray[np.int64]  # (S, P, M)
    shares: dict[str, float]  # share of labels -> accuracy

    @property
    def per_picture(self) -> npt.NDArray[np.float64]:
        """(M,) share of seeds that were right."""
        mean: npt.NDArray[np.float64] = self.right.mean(axis=(0, 1))
        return mean


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`full` minus another arm, over the same pictures."""

    other: str
    difference: float
    low: float
    high: float
    p: float
    corrected: float = 1.0

    @property
    def verdict(self) -> str:
        if self.corrected >= ALPHA:
            return "no difference was shown"
        return "full is better" if self.difference > 0 else "full is worse"


def load(folder: Path, side: str, faces: Faces) -> tuple[list[Measured], list[int]]:
    """The measured arms of one side, and which faces were asked; empty where nothing is there."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob(f"{side}-*.json")):
        one = json.loads(path.read_text("utf-8"))
        found.setdefault(one["arm"], []).append(one)
    asked: list[int] = next((runs[0]["faces"] for runs in found.values()), [])
    order = {name: place for place, name in enumerate(["pixels", "teacher", *ARMS])}
    arms = []
    for name in sorted(found, key=lambda n: order.get(n, len(order))):
        arms.append(_measured(name, found[name], asked, faces))
    return arms, asked


def _measured(name: str, runs: list[dict[str, Any]], asked: list[int], faces: Faces) -> Measured:
    target = faces.target[asked]
    if any(run["faces"] != asked for run in runs):
        raise SourceError(f"the results of {name} are about other pictures: measure them anew.")

    def digits(texts: list[str]) -> npt.NDArray[np.int64]:
        return np.array([[int(d) for d in text] for text in texts], dtype=np.int64)

    probes = min(len(run["linear"]) for run in runs)
    said = np.stack([digits(run["linear"][:probes]) for run in runs])
    near = np.stack([digits(run["knn"][:probes]) for run in runs])
    unseen = digits([run["unseen_codepoint"] for run in runs])
    shares = {
        share: float(np.mean([np.mean(run["label_shares"][share]) for run in runs]))
        for share in runs[0]["label_shares"]
    }
    return Measured(
        name=name, what=runs[0]["what"], seeds=tuple(run["seed"] for run in runs),
        right=(said == target).astype(float), knn=(near == target).astype(float),
        unseen=(unseen == target).astype(float), said=said, shares=shares,
    )  # fmt: skip


def interval(arm: Measured, clusters: npt.NDArray[np.int64]) -> tuple[float, float]:
    """95% of the accuracy: code points and pretraining seeds drawn with replacement."""
    draws = _resampled(arm.right.mean(axis=1), clusters)
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def _resampled(
    right: npt.NDArray[np.float64], clusters: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """(B,) means of (S, M) under the two-way bootstrap."""
    rng = np.random.default_rng(20261123)
    groups = np.unique(clusters, return_inverse=True)[1]
    sums = np.stack([np.bincount(groups, row) for row in right])  # (S, clusters)
    sizes = np.bincount(groups)
    found = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        seeds = rng.integers(0, len(right), len(right))
        drawn = rng.integers(0, len(sizes), len(sizes))
        found[i] = sums[seeds][:, drawn].sum() / (len(seeds) * sizes[drawn].sum())
    return found


def compare(base: Measured, other: Measured, clusters: npt.NDArray[np.int64]) -> Comparison:
    """The paired difference, its two-way bootstrap interval, and a sign-flip p over code points."""
    shared = sorted(set(base.seeds) & set(other.seeds)) or [base.seeds[0]]
    mine = base.right.mean(axis=1)[[base.seeds.index(s) for s in shared]]
    theirs = other.right.mean(axis=1)
    if set(shared) <= set(other.seeds):
        theirs = theirs[[other.seeds.index(s) for s in shared]]
    gap = mine - theirs  # (S, M)
    low, high = np.quantile(_resampled(gap, clusters), (0.025, 0.975))
    groups = np.unique(clusters, return_inverse=True)[1]
    sums = np.bincount(groups, gap.mean(axis=0))
    rng = np.random.default_rng(20261124)
    flips = rng.integers(0, 2, (FLIPS, len(sums))) * 2 - 1
    extreme = (np.abs(flips @ sums) >= abs(sums.sum()) - 1e-12).sum()
    return Comparison(
        other=other.name, difference=float(gap.mean()), low=float(low), high=float(high),
        p=float((extreme + 1) / (FLIPS + 1)),
    )  # fmt: skip


def holm(found: list[Comparison]) -> list[Comparison]:
    """The comparisons with p corrected after Holm (1979), in their order."""
    from dataclasses import replace

    order = sorted(range(len(found)), key=lambda i: found[i].p)
    corrected, worst = [1.0] * len(found), 0.0
    for rank, place in enumerate(order):
        worst = max(worst, min(1.0, (len(found) - rank) * found[place].p))
        corrected[place] = worst
    return [replace(c, corrected=p) for c, p in zip(found, corrected, strict=True)]


def write(out: Path, steps: int, faces: Faces) -> Path:
    """`claim.md` with its figures; on the choice families alone where the others are closed."""
    folder = out / "claim" / f"steps-{steps}"
    side = "test" if any(folder.glob("test-*.json")) else "choice"
    arms, asked = load(folder, side, faces)
    if not arms:
        raise SourceError(f"nothing is measured in {folder}: run the study first.")
    clusters = faces.codepoint[asked]
    by_name = {arm.name: arm for arm in arms}
    tested: list[Comparison] = []
    if BASE in by_name:
        tested = holm(
            [compare(by_name[BASE], by_name[n], clusters) for n in PRIMARY if n in by_name]
        )
    drawn = figures.draw(folder, arms, clusters, interval)
    text = "\n".join(_page(arms, tested, asked, faces, side, steps, drawn, out))
    path = out / "claim.md"
    path.write_text(text + "\n", "utf-8")
    return path


def _page(
    arms: list[Measured],
    tested: list[Comparison],
    asked: list[int],
    faces: Faces,
    side: str,
    steps: int,
    drawn: list[Path],
    out: Path,
) -> list[str]:
    families = TEST if side == "test" else CHOICE
    done = "; ".join(f"{arm.name}: {len(arm.seeds)}" for arm in arms)
    lines = [
        "# Is UniEmoX better? What was measured",
        "",
        "Preregistered in [`benchmarks/claim.md`](../claim.md). Made by `emo8-bench study claim "
        f"--corpus CORPUS --work WORK --steps {steps}{' --open-test' if side == 'test' else ''}`.",
        "",
        f"Budget: {steps} steps of 64 pictures per arm and seed. Pretraining seeds finished: "
        f"{done}. Asked about {len(asked)} faces of {', '.join(families)}.",
        "",
    ]
    if side == "choice":
        lines += ["**The test families have not been opened: these are the choice families.**", ""]
    if min((len(a.seeds) for a in arms if a.name in (*PRIMARY, BASE)), default=0) < 3:
        lines += [
            "**Unfinished:** not every arm has its three pretraining seeds. With one seed, the "
            "interval does not contain the spread between pretraining seeds.",
            "",
        ]
    lines += _table(arms, asked, faces, families)
    lines += _baselines(asked, faces, side)
    lines += _tests(tested)
    lines += _shares(arms)
    lines += [f"![{path.stem}]({path.relative_to(out).as_posix()})" for path in drawn]
    return lines


def _table(
    arms: list[Measured], asked: list[int], faces: Faces, families: tuple[str, ...]
) -> list[str]:
    from sklearn.metrics import f1_score

    family = np.array([faces.family[i] for i in asked])
    strong, target = faces.strong[asked], faces.target[asked]
    clusters = faces.codepoint[asked]
    head = ["arm", "linear [95%]", *families, "macro F1", "kNN", "strong labels", "unseen code"]
    lines = ["## Accuracy", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for arm in arms:
        low, high = interval(arm, clusters)
        f1 = np.mean(
            [
                f1_score(target, said, labels=np.unique(target), average="macro", zero_division=0)
                for said in arm.said.reshape(-1, len(asked))
            ]
        )
        own = [arm.per_picture[family == name].mean() for name in families]
        rest = [f1, arm.knn.mean(), arm.per_picture[strong].mean(), arm.unseen.mean()]
        cells = [f"{arm.right.mean():.3f} [{low:.3f}, {high:.3f}]"]
        cells += [f"{value:.3f}" for value in (*own, *rest)]
        lines.append(f"| {arm.name} | {' | '.join(cells)} |")
    return [*lines, "", *(f"- `{arm.name}`: {arm.what}" for arm in arms), ""]


def _baselines(asked: list[int], faces: Faces, side: str) -> list[str]:
    target = faces.target[asked]
    outside = np.ones(len(faces.target), dtype=bool)
    outside[asked] = False
    outside &= ~np.isin(faces.family, TEST)
    commonest = np.bincount(faces.target[outside]).argmax()
    n = len(asked)
    detectable = (1.96 + 0.84) * np.sqrt(0.4 / n)
    return [
        f"Chance 0.125; majority of the training faces {np.mean(target == commonest):.3f}. "
        f"Smallest difference that {n} pictures can show with 80% power where single runs "
        f"disagree on 0.4 of them: {detectable:.2f}.",
        "",
    ]


def _tests(tested: list[Comparison]) -> list[str]:
    if not tested:
        return ["## Paired tests", "", "`full` is not measured yet.", ""]
    lines = [
        "## Paired tests",
        "",
        "`full` minus the other arm; p by sign flips over code points, corrected after Holm.",
        "",
        "| against | difference [95%] | p | corrected p | verdict |",
        "|---|---|---|---|---|",
    ]
    for c in tested:
        lines.append(
            f"| {c.other} | {c.difference:+.3f} [{c.low:+.3f}, {c.high:+.3f}] | {c.p:.4f} | "
            f"{c.corrected:.4f} | {c.verdict} |"
        )
    return [*lines, ""]


def _shares(arms: list[Measured]) -> list[str]:
    shares = list(arms[0].shares)
    head = ["arm", *(f"{float(share):.0%}" for share in shares)]
    lines = ["## Accuracy against the share of labels", ""]
    lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for arm in arms:
        lines.append(f"| {arm.name} | {' | '.join(f'{arm.shares[s]:.3f}' for s in shares)} |")
    return [*lines, ""]
