"""Seconds of the kNN and linear probes on random features, against scikit-learn's kNN.

    python -m benchmarks.speed probes --rows 100000 --dim 768

Features are eight clouds that overlap, nine tenths of the rows teach and one tenth tests. The
peer, scikit-learn's KNeighborsClassifier (brute force, cosine, fixed k), answers the same queries
as our kNN, which chooses k as well; `peer_ratio` = our seconds / its seconds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.features.backbones import Backbone, Features
from benchmarks.lab.output import tell
from benchmarks.problem.folds import Index
from benchmarks.protocols import knn, linear
from benchmarks.protocols.base import Problem

NUM_EMOTIONS = 8


def clouds(rows: int, dim: int, seed: int = 0) -> tuple[Features, Index]:
    """Random features (rows, dim) around one centre per emotion, and the emotions."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, NUM_EMOTIONS, rows)
    features = rng.standard_normal((rows, dim), dtype=np.float32)
    features += 0.1 * rng.standard_normal((NUM_EMOTIONS, dim), dtype=np.float32)[target]
    return features, target


def measure(rows: int, dim: int, peer: bool) -> dict[str, Any]:
    """Seconds and accuracy of each probe; of the peer too where asked."""
    features, target = clouds(rows, dim)
    edge = rows * 9 // 10
    problem = Problem(
        features=features,
        target=target,
        emotions=tuple(f"e{i}" for i in range(NUM_EMOTIONS)),
        train=np.arange(edge),
        valid=np.arange(0),
        test=np.arange(edge, rows),
        blocks=np.arange(rows),
        seed=0,
        backbone=Backbone(name="random", sha256="", features=lambda _: features),
    )
    found: dict[str, Any] = {"rows": rows, "dim": dim}
    found["knn_s"], (prob,) = _timed(lambda: knn.predict(problem, knn.Settings()).prob)
    found["knn_accuracy"] = float((prob.argmax(1) == target[edge:]).mean())
    found["linear_s"], (prob,) = _timed(lambda: linear.predict(problem, linear.Settings()).prob)
    found["linear_accuracy"] = float((prob.argmax(1) == target[edge:]).mean())
    if peer:
        from sklearn.neighbors import KNeighborsClassifier

        model = KNeighborsClassifier(20, algorithm="brute", metric="cosine")
        model.fit(features[:edge], target[:edge])
        found["peer_knn_s"], _ = _timed(lambda: model.predict(features[edge:]))
        found["peer_ratio"] = found["knn_s"] / found["peer_knn_s"]
    return found


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--peer", action="store_true", help="time scikit-learn's kNN too")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    tell(measure(arguments.rows, arguments.dim, arguments.peer), arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
