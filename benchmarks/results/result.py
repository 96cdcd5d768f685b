"""One result as a JSON line: what was asked, what was found, and all it takes to redo it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.problem.folds import FoldPlan, Index
from emo8.core.errors import Emo8Error

# Versions that can move a number.
PACKAGES = ("emo8", "numpy", "scikit-learn", "torch", "timm", "open_clip_torch", "pillow")


def append(result: dict[str, Any], out: Path) -> None:
    """Add one line to a JSON lines file, in one write."""
    _write(json.dumps(result, ensure_ascii=False) + "\n", out)


def require_writable(out: Path) -> None:
    """Nothing, where results can be appended to `out`; Emo8Error before any work is done else."""
    _write("", out)


def _write(text: str, out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Emo8Error(f"--out {out} cannot be written: {error.strerror}.") from error


def describe(
    asked: dict[str, Any], found: dict[str, Any], data_notes: Sequence[str]
) -> dict[str, Any]:
    """The result with its config hash and package versions; no path, host or time is added.

    The hash covers what was asked except the spelling of model and dataset, whose contents are in
    it by their own hashes: the same run from another folder has the same hash.
    """
    asked = json.loads(json.dumps(asked, default=str))
    hashed = {key: value for key, value in asked.items() if key not in ("model", "dataset")}
    digest = hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()
    return {
        **asked,
        **found,
        "notes": [*data_notes, *found["notes"]],
        "config_hash": digest[:16],
        "versions": _versions(),
    }


def baselines(plan: FoldPlan, target: Index, num_emotions: int) -> dict[str, float]:
    """Accuracy of guessing evenly, and of always naming the training rows' commonest emotion.

    Where nothing is learnt, "majority" is the commonest emotion of the scored rows themselves.
    """
    right = total = 0
    for fold in plan.folds:
        learn = fold.train if len(fold.train) else fold.test
        commonest = np.bincount(target[learn], minlength=num_emotions).argmax()
        right += int((target[fold.test] == commonest).sum())
        total += len(fold.test)
    return {"chance": round(1 / num_emotions, 6), "majority": round(right / total, 6)}


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
