"""CPU time, memory and disk of the steps over all rows, on a synthetic build of any size.

    python -m benchmarks.speed global_steps --rows 400000 --out global_steps.json
    python -m benchmarks.speed global_steps --rows 400000 --peer CHECKOUT   # of commit 4d54b67

The build (`synthetic.py`) has no pictures, and no pairs of near copies are searched: copies are
those with equal pixels. Everything from the finished parts to verdicts, splits and report runs in
a process of its own, whose memory is watched from outside; then `emo8 status` and
`emo8 decide --try` are asked. With `--peer` the older code does the same with the smallest build,
in parts as it makes them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.lab.output import tell
from benchmarks.lab.speed.synthetic import MARK, make, sample_columns
from emo8.core.read_recipe import parse_recipe
from emo8.dataset import row_order
from emo8.duplicates import find
from emo8.duplicates.drop import DuplicateSearch
from emo8.duplicates.leaks import Leaks
from emo8.engine import malloc
from emo8.engine.build_folder import writing
from emo8.engine.database import FOLDER, opened
from emo8.engine.steps import ROWS
from emo8.labels.calibration import Calibrations
from emo8.labels.clip.recorded import Model
from emo8.pipeline.decide import Decider
from emo8.pipeline.verdicts import Verdicts
from emo8.report import numbers
from emo8.review import votes
from emo8.review.final_labels import FinalLabels

MEMORY, PART_ROWS = "1GB", 4096
PEER_PART_ROWS, PEER_ROUNDS = 256, 3  # it makes such parts, whatever the size of a build
PEER = Path(__file__).with_name("global_steps_peer.py")
ROOT = Path(__file__).resolve().parents[3]
MADE = ("tables", "report")  # folders of a build that the steps write
ASKED = {
    "status": ("status",),
    "try": ("decide", "--try", "min_side_px=128", "--examples", "0"),
}


def run_steps(build: Path, memory: str) -> dict[str, float]:
    """CPU and wall seconds of all steps over the rows of a build, in this process."""
    options = {"source": [{"kind": "folder", "path": "."}], "engine": {"memory": memory}}
    recipe = parse_recipe(options, where="synthetic")
    parts = range(len(list((build / ROWS).glob("part-*.parquet"))))
    columns = ", ".join(f'0 AS "{name}"' for name in ("left", "right", *find.NUMBERS))
    verdicts = Verdicts(
        recipe=recipe,
        recipe_dir=build,
        decider=Decider(
            config=recipe.decide,
            removals=[],
            seed=recipe.seed,
            claims=FinalLabels(
                labels=recipe.labels,
                votes=recipe.votes,
                cast=votes.counted(votes.read_votes(build)),
                calibrations=Calibrations(),
            ),
        ),
        leaks=Leaks(config=recipe.leaks, recipe_dir=build, build=build, model=_MODEL),
        copies=DuplicateSearch(config=recipe.decide, pairs=f"SELECT {columns} WHERE FALSE"),
        shard_of=[part // row_order.SHARD_PARTS for part in parts],
    )
    malloc.give_back_freed()  # as a build does
    started, cpu = time.perf_counter(), time.process_time()
    with writing(build), opened(build, recipe.engine.memory_bytes()) as db:
        verdicts.write(db, parts, [], MARK)
    numbers.write_report(build, numbers.statistics(build, ["embedded"]))
    return {
        "cpu_s": time.process_time() - cpu,
        "seconds": time.perf_counter() - started,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


_MODEL = Model(name="embedded", weights_sha256="", dim=128, logit_scale=1.0, logit_bias=None,
               context_length=77, precision="fp32", activation="gelu")  # fmt: skip


def watched(build: Path, command: Sequence[str], cwd: Path = ROOT) -> dict[str, Any]:
    """The figures that a command writes of its steps over a build, and what it spilled at most."""
    for name in MADE:
        shutil.rmtree(build / name, ignore_errors=True)
    spilled = 0
    environment = {**os.environ, "PYTHONPATH": str(cwd)}
    command = [sys.executable, *command]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=cwd, env=environment
    ) as process:
        while process.poll() is None:
            spilled = max(spilled, _size(build / FOLDER))
            time.sleep(0.05)
        answer = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return {**json.loads(answer), "spilled_mb": spilled / 2**20}


def ours(build: Path, memory: str) -> dict[str, Any]:
    run = ("-m", "benchmarks.lab.speed.global_steps", "--run", str(build), "--memory", memory)
    return watched(build, run)


def asked(build: Path) -> dict[str, float]:
    """Wall and CPU seconds of commands that people wait for, each a process of its own."""
    found = {}
    for name, (command, *options) in ASKED.items():
        started, cpu = time.perf_counter(), _children_s()
        line = [sys.executable, "-m", "emo8.cli", command, str(build), *options]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        found[f"{name}_s"] = time.perf_counter() - started
        found[f"{name}_cpu_s"] = _children_s() - cpu
    return found


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _size(folder: Path) -> int:
    """Bytes of the files in a folder that another process fills."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total


def compared(build: Path, memory: str, checkout: Path) -> dict[str, Any]:
    """Medians of CPU seconds and peak over rounds in turns, and how much less CPU ours takes."""
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
    for _ in range(PEER_ROUNDS):
        runs["ours"].append(ours(build, memory))
        runs["peer"].append(watched(build, (str(PEER), str(build)), checkout.resolve()))
    found: dict[str, Any] = {"part_rows": PEER_PART_ROWS}
    for who, figures in runs.items():
        for key in ("cpu_s", "peak_mb"):
            found[f"{who}_{key}"] = round(float(np.median([run[key] for run in figures])), 2)
    return {**found, "times_less_cpu": round(found["peer_cpu_s"] / found["ours_cpu_s"], 2)}


@contextmanager
def made(columns: dict[str, pa.Table], rows: int, part_rows: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), columns, rows, part_rows)
        yield Path(name)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[400_000], help="of each build")
    parser.add_argument("--part-rows", type=int, default=PART_ROWS, help=f"default {PART_ROWS}")
    parser.add_argument("--memory", default=MEMORY, help=f"as [engine] memory; default {MEMORY}")
    parser.add_argument("--peer", type=Path, metavar="DIR", help="a checkout of 4d54b67")
    parser.add_argument("--run", type=Path, metavar="BUILD", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    if arguments.run:
        sys.stdout.write(json.dumps(run_steps(arguments.run, arguments.memory)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        columns = sample_columns(Path(name))
    sizes = []
    for rows in sorted(arguments.rows):
        with made(columns, rows, arguments.part_rows) as build:
            figures = {**ours(build, arguments.memory), **asked(build)}
        sizes.append({"rows": rows, **{key: round(value, 2) for key, value in figures.items()}})
    found = {**sizes[-1], **grown(sizes)}
    if arguments.peer:
        with made(columns, sizes[0]["rows"], PEER_PART_ROWS) as build:
            found["compared"] = {
                "rows": sizes[0]["rows"],
                **compared(build, arguments.memory, arguments.peer),
            }
    found |= {"part_rows": arguments.part_rows, "memory": arguments.memory}
    tell(found, arguments.out)
    return 0


def grown(sizes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of every size, and how memory grows from the smallest to the largest."""
    more = sizes[-1]["rows"] - sizes[0]["rows"]
    kb = (sizes[-1]["peak_mb"] - sizes[0]["peak_mb"]) * 1024 / max(1, more)
    return {"sizes": list(sizes), "kb_per_row": round(kb, 3)}


if __name__ == "__main__":
    sys.exit(main())
