"""Cost of a frozen-feature evaluation over the bare forward pass it rests on.

    python -m benchmarks.speed frozen_features --pictures 10000 --rounds 3 --out features.json

Bare = the pictures of the same file decoded and given to the same model in batches, nothing kept.
Evaluation = `emo8-bench run`'s own path: count and hash the rows, extract, and a linear probe. Both
run in turns in one process; `ratio` is the median of the rounds. Pictures are JPEGs of smooth noise
at 256 x 192, with a label each; the model is a recipe's untrained encoder or any other.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.adapters import parquet
from benchmarks.features import backbones
from benchmarks.features.features import BATCH, decode_view
from benchmarks.lab.output import tell
from benchmarks.run import RunConfig, run
from emo8.core.taxonomy import EMOTIONS


def pictures(path: Path, count: int) -> Path:
    """A parquet file of `count` JPEGs with labels."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(count):
        small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        out = io.BytesIO()
        small.resize((256, 192), Image.Resampling.BICUBIC).save(out, "JPEG")
        rows.append({"image": out.getvalue(), "emotion": EMOTIONS[k % 8]})
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=500)
    return path


def bare(path: Path, model: str) -> float:
    """Seconds of decoding and forward, and nothing else."""
    rows, backbone = parquet.read(path), backbones.load(model)
    start = time.perf_counter()
    for first in range(0, len(rows), BATCH):
        wanted = range(first, min(first + BATCH, len(rows)))
        decoded = [
            decode_view(data, rows, row, "scene")
            for row, data in zip(wanted, rows.images(wanted), strict=True)
        ]
        backbone.features([p for p in decoded if not isinstance(p, str)])
    return time.perf_counter() - start


def evaluation(path: Path, model: str, protocol: str) -> float:
    """Seconds of a whole run with an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        config = RunConfig(
            models=(model,), data=str(path), protocols=(protocol,), folds=2, cache=Path(cache)
        )
        start = time.perf_counter()
        list(run(config))
        return time.perf_counter() - start


def measure(count: int, model: str, protocol: str, rounds: int) -> dict[str, Any]:
    """Seconds of both, in turns, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        path = pictures(Path(folder) / "pictures.parquet", count)
        pairs = [(bare(path, model), evaluation(path, model, protocol)) for _ in range(rounds)]
    return {
        "pictures": count,
        "model": model,
        "protocol": protocol,
        "bare_s": [round(b, 2) for b, _ in pairs],
        "evaluation_s": [round(e, 2) for _, e in pairs],
        "ratio": round(median(e / b for b, e in pairs), 3),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--model", default="random:b16")
    parser.add_argument("--protocol", default="knn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    found = measure(arguments.pictures, arguments.model, arguments.protocol, arguments.rounds)
    tell(found, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
