"""Seconds of exact and wide search for copies, from 10,000 to 1,000,000 rows, and of peers.

    taskset -c 0 python -m benchmarks.speed duplicates --pictures 'corpus/images-*.parquet' \\
        --out benchmarks/results/speed/duplicates.json

Hashes: `random` (uniform, one in ten a near copy), `real` (of random windows of real pictures, so
as skewed as pictures are), `identical` (one hash a hundred thousand times among real ones). Wide:
vectors like those of `emo8.duplicates.find`, one in ten a planted copy; recall = copies named.
Peers, in the same run: FAISS IndexBinaryFlat, imagededup (both its searches; it is no dependency:
`pip install --no-deps --target peers imagededup` and PYTHONPATH=peers; left out where it is not
found) and a loop over ImageHash, on as many rows as they finish in time. Seconds of CPU of this
process, all on one thread.
"""

from __future__ import annotations

import argparse
import glob
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.lab.output import tell
from emo8.core.images import decode
from emo8.duplicates.candidates import EMBEDDING_WEIGHT, PROJECTED_DIM
from emo8.duplicates.search import near_pairs, neighbours
from emo8.duplicates.views import LAYOUT_SIDE
from emo8.measure.filters.base import perceptual_hash, prepare
from emo8.measure.filters.copies import thumbnail

MAX_DISTANCE = 3
NEIGHBOURS = 9  # eight and the row itself


def random_hashes(rows: int, rng: np.random.Generator) -> np.ndarray:
    """(rows,) uint64, the last tenth one bit away from the first."""
    hashes = rng.integers(0, 2**64, rows, dtype=np.uint64)
    tenth = rows // 10
    flips = np.uint64(1) << rng.integers(0, 64, tenth).astype(np.uint64)
    hashes[rows - tenth :] = hashes[:tenth] ^ flips
    return hashes


def real_hashes(pattern: str, rows: int, rng: np.random.Generator) -> np.ndarray:
    """(rows,) uint64 hashes of windows of the pictures, each at least half as wide and high."""
    thumbs = []
    for path in sorted(glob.glob(pattern)):
        for cell in pq.read_table(path, columns=["image"]).column("image").to_pylist():
            data = cell["bytes"] if isinstance(cell, dict) else cell
            thumbs.append(thumbnail(prepare(data, decode(data)).grey))
    hashes = np.empty(rows, np.uint64)
    side = len(thumbs[0])
    for row in range(rows):
        size = rng.integers(side // 2, side + 1, 2)
        y, x = (int(rng.integers(0, side - length + 1)) for length in size)
        window = thumbs[row % len(thumbs)][y : y + size[0], x : x + size[1]]
        hashes[row] = perceptual_hash(window)
    return hashes


def exact(hashes: np.ndarray, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Seconds and pairs of our exact search on the first rows."""
    told = []
    for rows in sizes:
        seconds, pairs = _timed(lambda: near_pairs(hashes[:rows], MAX_DISTANCE))  # noqa: B023
        told.append({"rows": rows, "seconds": seconds, "pairs": len(pairs)})
    return told


def wide(sizes: Sequence[int], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Seconds of our wide search, and how many planted copies it names."""
    told = []
    dim = LAYOUT_SIDE**2 + PROJECTED_DIM
    weight = np.ones(dim, np.float32)
    weight[LAYOUT_SIDE**2 :] = EMBEDDING_WEIGHT
    centres = rng.standard_normal((200, dim), dtype=np.float32)
    for rows in sizes:
        vectors = rng.standard_normal((rows, dim), dtype=np.float32)
        vectors += centres[rng.integers(0, len(centres), rows)]
        tenth = rows // 10
        noise = 0.35 * rng.standard_normal((tenth, dim), dtype=np.float32)
        vectors[rows - tenth :] = vectors[:tenth] + noise
        vectors *= weight
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        seconds, found = _timed(lambda: neighbours(vectors, vectors, NEIGHBOURS))  # noqa: B023
        copies = np.arange(rows - tenth, rows)
        named = (found[copies] == np.arange(tenth)[:, None]).any(axis=1)
        back = (found[:tenth] == copies[:, None]).any(axis=1)
        told.append({"rows": rows, "seconds": seconds, "recall": float((named | back).mean())})
    return told


def peer_faiss(hashes: np.ndarray) -> dict[str, Any]:
    """FAISS brute force over the same bits."""
    import faiss

    faiss.omp_set_num_threads(1)
    codes = hashes.view(np.uint8).reshape(-1, 8)
    index = faiss.IndexBinaryFlat(64)
    index.add(codes)
    seconds, found = _timed(lambda: index.range_search(codes, MAX_DISTANCE + 1))
    return {"peer": "FAISS IndexBinaryFlat", "rows": len(hashes), "seconds": seconds,
            "pairs": (len(found[2]) - len(hashes)) // 2}  # fmt: skip


def peer_imagehash(hashes: np.ndarray) -> dict[str, Any]:
    """Every pair compared with ImageHash's own distance, as its documentation shows."""
    import imagehash

    objects = [imagehash.hex_to_hash(f"{int(value):016x}") for value in hashes]

    def loop() -> int:
        return sum(
            objects[a] - objects[b] <= MAX_DISTANCE for a in range(len(objects)) for b in range(a)
        )

    seconds, pairs = _timed(loop)
    return {"peer": "ImageHash loop", "rows": len(hashes), "seconds": seconds, "pairs": int(pairs)}


def peer_imagededup(hashes: np.ndarray, method: str) -> dict[str, Any] | None:
    """imagededup's search of its own hashes; None where it is not installed."""
    try:
        from imagededup.methods import PHash
    except ImportError:
        return None
    encoded = {str(row): f"{int(value):016x}" for row, value in enumerate(hashes)}
    search = PHash(verbose=False).find_duplicates
    seconds, found = _timed(
        lambda: search(
            encoding_map=encoded,
            max_distance_threshold=MAX_DISTANCE,
            search_method=method,
            num_dist_workers=0,
        )
    )
    pairs = sum(len(others) for others in found.values()) // 2
    name = f"imagededup {method}"
    return {"peer": name, "rows": len(hashes), "seconds": seconds, "pairs": pairs}


def exponent(told: Sequence[dict[str, Any]]) -> float:
    """Growth of the seconds with the rows, from the first size to the last."""
    first, last = told[0], told[-1]
    return math.log(last["seconds"] / first["seconds"]) / math.log(last["rows"] / first["rows"])


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", help="glob of parquet with images, for real hashes")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--wide-sizes", type=int, nargs="*", default=[10_000, 30_000, 100_000])
    parser.add_argument("--peer-rows", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also write the result there")
    arguments = parser.parse_args(argv)
    rng = np.random.default_rng(arguments.seed)
    sizes = sorted(arguments.sizes)
    hashes = {"random": random_hashes(sizes[-1], rng)}
    if arguments.pictures:
        hashes["real"] = real_hashes(arguments.pictures, sizes[-1], rng)
        same = hashes["real"].copy()
        same[: min(100_000, len(same) // 2)] = same[0]
        hashes["identical"] = same
    found: dict[str, Any] = {"seed": arguments.seed, "exact": {}}
    for name, values in hashes.items():
        told = exact(values, sizes)
        found["exact"][name] = {"runs": told, "exponent": exponent(told)}
    if arguments.wide_sizes:
        told = wide(sorted(arguments.wide_sizes), rng)
        found["wide"] = {"runs": told, "exponent": exponent(told)}
    few = hashes.get("real", hashes["random"])
    ours = exact(few, [arguments.peer_rows, 10 * arguments.peer_rows])
    found["peers"] = [
        {"peer": "ours", **ours[0]},
        peer_imagehash(few[: arguments.peer_rows]),
        *(
            told
            for method in ("bktree", "brute_force_cython")
            if (told := peer_imagededup(few[: arguments.peer_rows], method))
        ),
        {"peer": "ours", **ours[1]},
        peer_faiss(few[: 10 * arguments.peer_rows]),
    ]
    tell(found, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
