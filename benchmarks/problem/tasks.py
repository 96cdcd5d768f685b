"""What is asked about a picture: one label, its polarity, several labels, shares, or scales.

| task | claimed about a row | outputs | metrics |
|---|---|---|---|
| single | one label | a probability per label | accuracy, macro F1, … |
| dominant | shares; their largest is the label | as single | as single |
| polarity | one label, read as positive or negative | two probabilities | as single |
| multi_label | a set of labels | a score per label | mAP |
| distribution | shares that sum to one | shares | KL, Jensen-Shannon, cosine, … |
| regression | numbers on scales | numbers | MAE, RMSE, R2, Pearson |

Shapes: N rows, K outputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.adapters import maps
from benchmarks.adapters.base import LabelledRows, spelling
from emo8.core.errors import Emo8Error
from emo8.core.suggest import suggest

TASKS = ("single", "dominant", "polarity", "multi_label", "distribution", "regression")
CLASS_TASKS = ("single", "dominant", "polarity")
MIN_STRATUM_ROWS = 10  # rarer strata of other tasks are held together when folds are cut


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What each of N rows claims, for one task."""

    task: str
    strata: list[str | None]  # label by which folds are stratified; None = the row does not count
    names: tuple[str, ...] = ()  # K outputs; of class tasks they follow from the folds
    values: npt.NDArray[np.float64] | None = None  # (N, K); None for class tasks
    notes: tuple[str, ...] = ()


def targets(rows: LabelledRows, task: str | None, leave_out: Sequence[str] = ()) -> Targets:
    """The targets of `rows` for `task`, by default the dataset's own; Emo8Error if it has none.

    Rows of the labels in `leave_out` do not count; shares are made to sum to one without them, and
    of several labels at once they are not asked about.
    """
    task = task or rows.task
    gone = _gone(rows, task, leave_out)
    if task in ("dominant", "distribution"):
        return _shares(rows, task, gone)
    if task == "multi_label":
        return _multi_label(rows, gone)
    kept = [None if e in gone else e for e in rows.emotion]
    if task == "polarity":
        return _polarity(rows, kept)
    if task == "regression":
        return _regression(rows, [e is None or e not in gone for e in rows.emotion])
    return Targets(task=task, strata=list(kept))


def _gone(rows: LabelledRows, task: str, leave_out: Sequence[str]) -> frozenset[str]:
    """The labels of `leave_out` as the dataset spells them; Emo8Error where it has no such one."""
    known = {e for e in rows.emotion if e}
    if task in ("dominant", "distribution") and rows.shares is not None:
        known = set(rows.shares.names)
    if task == "multi_label":
        known = set(rows.several_names)
    spelled = {spelling(name): name for name in known}
    for name in leave_out:
        if spelling(name) not in spelled:
            told = suggest(name, sorted(known))
            raise Emo8Error(f"--leave-out {name}: {rows.origin} has no such label; {told}")
    return frozenset(spelled[spelling(name)] for name in leave_out)


def _polarity(rows: LabelledRows, emotion: Sequence[str | None]) -> Targets:
    known = maps.polarity()
    strata = [None if e is None else known.get(e) for e in emotion]
    lost = Counter(e for e, p in zip(emotion, strata, strict=True) if e is not None and p is None)
    if lost and not any(strata):
        raise Emo8Error(
            f"--task polarity: {rows.origin} has no label whose polarity {known.name} knows: "
            f"{', '.join(sorted(lost))}."
        )
    note = f"polarity by {known.name}"
    if lost:
        named = ", ".join(f"{name} {count}" for name, count in sorted(lost.items()))
        note += f"; without one, left out: {named}"
    return Targets(task="polarity", strata=strata, notes=(note,))


def _shares(rows: LabelledRows, task: str, gone: frozenset[str]) -> Targets:
    if rows.shares is None:
        raise _lacking(rows, task, "shares of votes over labels")
    keep = [i for i, name in enumerate(rows.shares.names) if name not in gone]
    names = tuple(rows.shares.names[i] for i in keep)
    values = rows.shares.values[:, keep]
    total = values.sum(axis=1, keepdims=True)
    known = np.isfinite(values).all(axis=1) & (total[:, 0] > 0)
    values = np.divide(values, total, out=np.zeros_like(values), where=known[:, None])
    top = [names[i] if ok else None for i, ok in zip(values.argmax(axis=1), known, strict=True)]
    notes = (f"without {', '.join(sorted(gone))}",) if gone else ()
    if task == "dominant":
        return Targets(task=task, strata=top, notes=notes)
    return Targets(task=task, strata=_merged(top), names=names, values=values, notes=notes)


def _multi_label(rows: LabelledRows, gone: frozenset[str]) -> Targets:
    if rows.several is None:
        raise _lacking(rows, "multi_label", "several labels at once")
    names = tuple(name for name in rows.several_names if name not in gone)
    place = {name: i for i, name in enumerate(names)}
    own = [None if s is None else [n for n in s if n not in gone] for s in rows.several]
    values = np.zeros((len(rows), len(names)))
    for row, labels in enumerate(own):
        values[row, [place[label] for label in labels or ()]] = 1
    counts = values.sum(axis=0)
    strata = [
        None if labels is None else min(labels, key=lambda n: counts[place[n]], default="none")
        for labels in own
    ]
    notes = (f"without {', '.join(sorted(gone))}",) if gone else ()
    return Targets(
        task="multi_label", strata=_merged(strata), names=names, values=values, notes=notes
    )


def _regression(rows: LabelledRows, counts: Sequence[bool]) -> Targets:
    if rows.scales is None:
        raise _lacking(rows, "regression", "numbers on scales")
    values = rows.scales.values
    known = np.isfinite(values).all(axis=1) & np.array(counts, dtype=bool)
    edges = np.quantile(values[known, 0], (0.25, 0.5, 0.75)) if known.any() else np.zeros(3)
    quarter = np.searchsorted(edges, np.nan_to_num(values[:, 0]))
    first = rows.scales.names[0]
    strata = [f"{first} quarter {q + 1}" if ok else None for q, ok in zip(quarter, known)]
    return Targets(
        task="regression", strata=_merged(strata), names=rows.scales.names, values=values
    )


def _merged(strata: list[str | None]) -> list[str | None]:
    """The strata with rare ones under one name, so that folds can be cut and no row is lost."""
    counts = Counter(s for s in strata if s is not None)
    if len(counts) < 2:
        return strata
    rare = {name for name, count in counts.items() if count < MIN_STRATUM_ROWS}
    rest = "rare labels"
    if sum(counts[name] for name in rare) < MIN_STRATUM_ROWS:
        rest = counts.most_common(1)[0][0]
    return [rest if s in rare else s for s in strata]


def _lacking(rows: LabelledRows, task: str, what: str) -> Emo8Error:
    there = ["single", "polarity"] if any(rows.emotion) else []
    there += ["dominant", "distribution"] if rows.shares is not None else []
    there += ["multi_label"] if rows.several is not None else []
    there += ["regression"] if rows.scales is not None else []
    return Emo8Error(
        f"--task {task} needs {what}, which {rows.origin} does not have. "
        f"It has what these need: {', '.join(there)}."
    )
