"""`emo8 verify` beside what hashing and decoding alone cost.

    python -m benchmarks.speed verify --out benchmarks/results/speed/verify.json

Both run in this process, in turns, on as many threads as there are cores. The peer reads the same
release, takes the SHA-256 of every file and of every picture, and decodes every picture with the
same decoder; it looks at nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lab.output import tell
from benchmarks.lab.speed import published
from emo8.core.images import decode
from emo8.dataset.shards import all_files, list_shards, row_groups, sha256
from emo8.publish.verify import verify


def alone(folder: Path) -> int:
    """Hash every file, hash and decode every picture; how many pictures."""

    def pictures(name: str) -> int:
        number = 0
        for table in row_groups(folder / name, ["image"]):
            for image in table["image"].to_pylist():
                hashlib.sha256(image["bytes"]).hexdigest()
                decode(image["bytes"])
                number += 1
        return number

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(lambda name: sha256(folder / name), all_files(folder)))
        return sum(pool.map(pictures, [shard.name for shard in list_shards(folder)]))


def measured(folder: Path, rounds: int) -> dict[str, Any]:
    """Seconds of both, by the clock and of the CPU, and how fast verifying is beside the other."""
    runs: dict[str, list[tuple[float, float]]] = {"alone": [], "verify": []}
    for turn in range(rounds + 1):  # the first warms up
        for name, work in (("alone", alone), ("verify", _checked)):
            took = _timed(work, folder)
            if turn:
                runs[name].append(took)
    found: dict[str, Any] = {"pictures": alone(folder)}
    for clock, place in (("wall", 0), ("cpu", 1)):
        times = {name: float(np.median([run[place] for run in own])) for name, own in runs.items()}
        found[f"{clock}_s"] = {name: round(value, 4) for name, value in times.items()}
        found[f"{clock}_ratio"] = round(times["alone"] / times["verify"], 3)
    return found


def _checked(folder: Path) -> None:
    problems = verify(folder).problems
    assert not problems, problems


def _timed(work: Callable[[Path], object], folder: Path) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work(folder)
    return time.perf_counter() - wall, time.process_time() - cpu


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=120, help="pictures")
    parser.add_argument("--widths", type=int, nargs="+", default=[320, 800])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    sizes = []
    for width in arguments.widths:
        with tempfile.TemporaryDirectory() as work:
            published.build(Path(work), arguments.count, width)
            found = measured(published.publish(Path(work)), arguments.rounds)
            sizes.append({"width": width, **found})
    tell({"rounds": arguments.rounds, "sizes": sizes}, arguments.out)


if __name__ == "__main__":
    main()
