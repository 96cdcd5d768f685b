"""Paired tests between models that answered about the same pictures.

Per picture the share of repeats and seeds that were right; the difference of two models with its
bootstrap interval over pictures, McNemar's exact test where each picture has one answer, a sign-
flip permutation test otherwise (`emo8.core.stats`), and p corrected after Holm (1979) over all
differences of a case: a dataset, protocol and division of the pictures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.problem.tasks import CLASS_TASKS
from benchmarks.results import predictions, table
from benchmarks.results.cases import cases, group_column, unseen
from emo8.core.errors import SourceError
from emo8.core.stats import bootstrap_mean, holm, paired_test

BY = ("emotion", "style", "people")
Question = tuple[str, str, str]  # dataset, protocol, group column


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One model against the base, on the pictures both answered about."""

    case: Question
    base: str
    other: str
    n: int
    gap: float  # accuracy of the base minus that of the other
    low: float
    high: float
    p: float
    test: str
    part: str = ""  # which pictures: "emotion awe", …; "" = all
    corrected: float = 1.0


@dataclass(kw_only=True)
class _Asked:
    """Answers of several models in one case."""

    right: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )  # model -> picture -> right, per repeat and seed
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)  # picture -> its value per BY


def compare(
    results: Path, *, base: str | None = None, by: Sequence[str] = (), across: bool = False
) -> list[Difference]:
    """Every model of a results file against `base`, or against the best one of each case.

    `by` adds differences per emotion, style or number of people shown. `across` compares over
    protocols, a model then being a model with its protocol.
    """
    read = [(r, predictions.read(results, r["config_hash"])[0]) for r in _labelled(results)]
    found = differences(read, base=base, by=by, across=across)
    if not found:
        there = dict.fromkeys(f"{c.model} ({c.dataset}, {c.protocol})" for c in
                              cases([result for result, _ in read]))  # fmt: skip
        raise SourceError(
            f"{results}: nothing to compare: no two models share dataset, protocol and groups. "
            f"--across compares models over protocols. There are: {'; '.join(there)}."
        )
    return found


def caveats(results: Path) -> list[str]:
    """What of these results is no measure of unseen pictures, a sentence each."""
    return table.caveats(_labelled(results))


def _labelled(results: Path) -> list[dict[str, Any]]:
    return [r for r in table.read_results([results]) if r.get("task", "single") in CLASS_TASKS]


def differences(
    results: Iterable[tuple[dict[str, Any], pa.Table]],
    *,
    base: str | None = None,
    by: Sequence[str] = (),
    across: bool = False,
) -> list[Difference]:
    """The differences between results, each given with its table of predictions."""
    found: list[Difference] = []
    for case, asked in sorted(_questions(results, across).items()):
        if len(asked.right) < 2:
            continue
        right = {m: {k: float(np.mean(v)) for k, v in p.items()} for m, p in asked.right.items()}
        best = base or max(right, key=lambda name: np.mean(list(right[name].values())))
        if best not in right:
            raise SourceError(
                f"--base {best}: no results of it for {case[0]}, {case[1]}. "
                f"There are: {', '.join(sorted(right))}."
            )
        for pictures in _divisions(asked, by):
            mine = [
                difference
                for part, own in pictures.items()
                for name in sorted(right)
                if name != best
                if (difference := _pair(case, best, name, right, own, part))
            ]
            corrected = holm([d.p for d in mine])
            found += [replace(d, corrected=p) for d, p in zip(mine, corrected, strict=True)]
    return found


def _questions(
    results: Iterable[tuple[dict[str, Any], pa.Table]], across: bool
) -> dict[Question, _Asked]:
    asked_of: dict[Question, _Asked] = defaultdict(_Asked)
    results = list(results)
    for case, (result, said) in zip(cases([r for r, _ in results]), results, strict=True):
        model = f"{case.model}, {case.protocol}" if across else case.model
        column = f"{group_column(result)}{unseen(result)}" if result.get("group") else ""
        asked = asked_of[case.dataset, "all" if across else case.protocol, column]
        for row in said.drop_columns(["probs", "target"]).to_pylist():
            picture = f"{row['group'] or ''}/{row['id']}"
            asked.right[model][picture].append(_right(row))
            shown = row.get("num_people")
            people = None if shown is None else str(shown) if shown < 3 else "3 or more"
            parts = (row["label"], row.get("style"), people)
            asked.parts[picture] = tuple("unknown" if p is None else p for p in parts)
    return asked_of


def _right(row: dict[str, Any]) -> float:
    right = row.get("right")
    return float(row["label"] == row["predicted"]) if right is None else float(right)


def _divisions(asked: _Asked, by: Sequence[str]) -> list[dict[str, set[str]]]:
    """All pictures, then the pictures by each of `by`: name of the part -> its pictures."""
    found = [{"": set(asked.parts)}]
    for name in by:
        parts: dict[str, set[str]] = defaultdict(set)
        for picture, values in asked.parts.items():
            parts[f"{name} {values[BY.index(name)]}"].add(picture)
        found.append(dict(sorted(parts.items())))
    return found


def _pair(
    case: Question,
    base: str,
    other: str,
    right: dict[str, dict[str, float]],
    pictures: set[str],
    part: str,
) -> Difference | None:
    mine, theirs = right[base], right[other]
    shared = sorted(set(mine) & set(theirs) & pictures)
    if not shared and not part:
        raise SourceError(f"{base} and {other} answered about no picture in common ({case[0]}).")
    if not shared:
        return None
    first, second = (np.array([m[row] for row in shared]) for m in (mine, theirs))
    low, high = bootstrap_mean(first - second, seed=95)
    p, test = paired_test(first, second)
    return Difference(
        case=case, base=base, other=other, part=part, n=len(shared), p=p, test=test,
        gap=float((first - second).mean()), low=low, high=high,
    )  # fmt: skip


def markdown(found: list[Difference]) -> str:
    """The comparisons as a table."""
    head = ["dataset", "protocol", "base", "against", "n", "difference [95%]", "p", "after Holm"]
    divided = any(d.part for d in found)
    head = [*head[:4], "pictures", *head[4:]] if divided else head
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for d in found:
        dataset, protocol, group = d.case
        where = f"{dataset}, by {group}" if group else dataset
        cells: list[Any] = [where, protocol, d.base, d.other]
        cells += [d.part or "all"] if divided else []
        cells += [d.n, f"{d.gap:+.3f} [{d.low:+.3f}, {d.high:+.3f}]"]
        cells += [f"{_p(d.p)} ({d.test})", _p(d.corrected)]
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.00005 else "< 0.0001"
