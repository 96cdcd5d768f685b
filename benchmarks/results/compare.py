"""Paired tests between models that answered about the same pictures.

Per picture the share of repeats and seeds that were right; the difference of two models with its
bootstrap interval over pictures, McNemar's exact test where each picture has one answer, a sign-
flip permutation test otherwise, and p corrected after Holm (1979) within a dataset and protocol.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import predictions, table
from emo8.core.errors import SourceError
from emo8.core.stats import bootstrap_mean, holm, paired_test

Case = tuple[str, str, str]  # dataset, protocol, group column


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One model against the base, on the pictures both answered about."""

    case: Case
    base: str
    other: str
    n: int
    gap: float  # accuracy of the base minus that of the other
    low: float
    high: float
    p: float
    test: str
    corrected: float = 1.0


def compare(results: Path, *, base: str | None = None) -> list[Difference]:
    """Every model of a results file against `base`, or against the best one of each case."""
    right = _right(results)
    found: list[Difference] = []
    for case, models in sorted(right.items()):
        if len(models) < 2:
            continue
        best = base or max(models, key=lambda name: np.mean(list(models[name].values())))
        if best not in models:
            raise SourceError(
                f"--base {best}: no results of it for {case[0]}, {case[1]}. "
                f"There are: {', '.join(sorted(models))}."
            )
        mine = [_pair(case, best, models[best], n, models[n]) for n in sorted(models) if n != best]
        corrected = holm([d.p for d in mine])
        found += [replace(d, corrected=p) for d, p in zip(mine, corrected, strict=True)]
    if not found:
        raise SourceError(
            f"{results}: nothing to compare: no two models share dataset, protocol and groups."
        )
    return found


def _right(results: Path) -> dict[Case, dict[str, dict[str, float]]]:
    """Share of right answers by case, model and picture."""
    sums: dict[Case, dict[str, dict[str, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for result in table.read_results([results]):
        if result.get("task", "single") not in ("single", "dominant", "polarity"):
            continue
        shots = result.get("settings", {}).get("shots")
        protocol = result["protocol"] + (f" ({shots} shots)" if shots else "")
        case = (result["dataset"], protocol, str(result.get("group_column") or ""))
        found, _ = predictions.read(results, result["config_hash"])
        columns = (found.column(c).to_pylist() for c in ("id", "label", "predicted", "group"))
        for row, label, said, group in zip(*columns, strict=True):
            sums[case][result["model"]][f"{group or ''}/{row}"].append(float(label == said))
    return {
        case: {
            model: {row: float(np.mean(v)) for row, v in rows.items()}
            for model, rows in models.items()
        }
        for case, models in sums.items()
    }


def _pair(
    case: Case, base: str, mine: dict[str, float], other: str, theirs: dict[str, float]
) -> Difference:
    shared = sorted(set(mine) & set(theirs))
    if not shared:
        raise SourceError(f"{base} and {other} answered about no picture in common ({case[0]}).")
    first, second = (np.array([m[row] for row in shared]) for m in (mine, theirs))
    gap = first - second
    low, high = bootstrap_mean(gap, seed=95)
    p, test = paired_test(first, second)
    return Difference(
        case=case, base=base, other=other, n=len(shared), gap=float(gap.mean()), low=low, high=high,
        p=p, test=test,
    )  # fmt: skip


def markdown(found: list[Difference]) -> str:
    """The comparisons as a table."""
    head = ["dataset", "protocol", "base", "against", "n", "difference [95%]", "p", "after Holm"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for d in found:
        dataset, protocol, group = d.case
        where = f"{dataset}, by {group}" if group else dataset
        cells: list[Any] = [where, protocol, d.base, d.other, d.n]
        cells += [f"{d.gap:+.3f} [{d.low:+.3f}, {d.high:+.3f}]"]
        cells += [f"{d.p:.4f} ({d.test})", f"{d.corrected:.4f}"]
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
