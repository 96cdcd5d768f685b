"""What was measured of each arm: who was right about which picture, read from its JSON files.

Shapes: M asked pictures, S pretraining seeds, P probe seeds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.lab.study.arms import ARMS
from benchmarks.lab.study.probe import ProbeFaces
from emo8.core.errors import SourceError


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


def load(folder: Path, side: str, faces: ProbeFaces) -> tuple[list[Measured], list[int]]:
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


def _measured(
    name: str, runs: list[dict[str, Any]], asked: list[int], faces: ProbeFaces
) -> Measured:
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
