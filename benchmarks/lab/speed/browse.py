"""Time and memory of `emo8 browse` on a build, first and again.

    python -m benchmarks.speed browse --build BUILD --rows 5000 --out browse.json
    python -m benchmarks.speed browse --pictures 'corpus/images-*.parquet' --peer CHECKOUT

Takes the build's first rows; without --build it makes one of --pictures first. A run is the
command itself, from its start until the App answers: it starts FiftyOne and its database, makes the
picture files, inserts the rows and makes views, maps and the similarity index. `rows_s` is the time
until the rows are in. The second run finds everything there. The build is read through links in a
folder of its own, and its dataset leaves FiftyOne afterwards.

With --peer an older commit of ours does the same in turns, each with a build of its own of the same
pictures; counted is also the CPU time of every process until the App answers: ours, FiftyOne's and
the database's.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lab.output import tell
from benchmarks.lab.speed import rebuild
from benchmarks.lab.speed.small_build import ROOT, count_cpu

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_CHANGED = re.compile(r"(\d+) rows in \d+ s: (\d+) new, (\d+) changed")
_PORT = "5199"
_MARK = "EMO8_SPEED_BROWSE"


def browse(build: Path, rows: int, checkout: Path = ROOT) -> tuple[dict[str, Any], str]:
    """Numbers of one run, and the name of its dataset in FiftyOne."""
    start, value = time.perf_counter(), str(time.monotonic_ns())
    command = [sys.executable, "-m", "emo8.cli", "browse", str(build), "--no-open"]
    found: dict[str, Any] = {}
    with subprocess.Popen(
        [*command, "--limit", str(rows), "--port", _PORT], stdout=subprocess.PIPE, text=True,
        cwd=checkout, env=os.environ | {_MARK: value},
    ) as process:  # fmt: skip
        try:
            for line in process.stdout or ():
                if counts := _CHANGED.match(line):
                    number, added, changed = map(int, counts.groups())
                    wall = time.perf_counter() - start
                    peak = _PEAK.search(Path(f"/proc/{process.pid}/status").read_text())
                    found = {
                        "rows": number,
                        "added": added,
                        "changed": changed,
                        "rows_s": round(wall, 1),
                        "rows_per_s": round(number / wall, 1),
                        "peak_mb": round(int(peak[1]) / 1024) if peak else None,
                    }
                if line.startswith("http://"):
                    served, used = round(time.perf_counter() - start, 1), dict[int, float]()
                    count_cpu(f"{_MARK}={value}", used)
                    found |= {"served_s": served, "cpu_s": round(sum(used.values()), 2)}
                    return found, line.strip().rpartition("/")[2]
        finally:
            process.send_signal(signal.SIGINT)
    raise SystemExit(f"emo8 browse ended with {process.returncode}")


def forget(name: str) -> None:
    """Take a dataset out of FiftyOne."""
    command = [sys.executable, "-c", f"import fiftyone; fiftyone.delete_dataset({name!r})"]
    quiet = {"FIFTYONE_DO_NOT_TRACK": "1", "FIFTYONE_DATABASE_VALIDATION": "0"}
    subprocess.run(command, check=True, env=os.environ | quiet)


def built(folder: Path, pictures: str, rows: int) -> Path:
    """A new build of the pictures."""
    rebuild.prepare(folder, pictures, rows)
    rebuild.emo8(folder, "build", "recipe.toml", "-o", "BUILD")
    return folder / "BUILD"


def measure(build: Path, own: Path, rows: int) -> dict[str, Any]:
    """The first run and the second; `own` becomes a folder of links to the build."""
    own.mkdir()
    for item in build.resolve().iterdir():
        if item.name != "browse":
            (own / item.name).symlink_to(item)
    first, name = browse(own, rows)
    try:
        again, _ = browse(own, rows)
    finally:
        forget(name)
    return {"first": first, "again": again}


def compared(folder: Path, pictures: str, rows: int, peer: Path, rounds: int) -> dict[str, Any]:
    """Medians of first runs of ours and of an older commit, in turns, and ours as their share."""
    rebuild.prepare(folder, pictures, rows)
    checkouts = {"ours": ROOT, "peer": peer.resolve()}
    runs: dict[str, list[dict[str, Any]]] = {who: [] for who in checkouts}
    for who, checkout in checkouts.items():
        command = [sys.executable, "-m", "emo8.cli", "build", str(folder / "recipe.toml")]
        subprocess.run([*command, "-o", str(folder / who)], cwd=checkout, check=True)
    for _ in range(rounds):
        for who, checkout in checkouts.items():
            found, name = browse(folder / who, rows, checkout)
            forget(name)
            shutil.rmtree(folder / who / "browse")
            runs[who].append(found)
    result: dict[str, Any] = {"rows": rows}
    for who in checkouts:
        result[who] = {
            key: round(float(np.median([run[key] for run in runs[who]])), 2)
            for key in ("rows_s", "served_s", "cpu_s")
        }
    for key in ("served", "cpu"):
        share = result["ours"][f"{key}_s"] / result["peer"][f"{key}_s"]
        result[f"{key}_share"] = round(share, 3)
    return result


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--build", type=Path)
    parser.add_argument("--pictures", help="parquet files with captions, a glob, to build from")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--peer", type=Path, metavar="DIR", help="a checkout of 4d54b67")
    parser.add_argument("--peer-rows", type=int, default=910)
    parser.add_argument("--rounds", type=int, default=3, help="of each, in turns, with --peer")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    if arguments.peer and not arguments.pictures:
        parser.error("--peer builds from --pictures GLOB")
    if not (arguments.build or arguments.pictures):
        parser.error("give --build BUILD, or --pictures GLOB to make one")
    with tempfile.TemporaryDirectory() as name:
        own, beside = Path(name, "own"), Path(name, "beside")
        own.mkdir()
        beside.mkdir()
        build = arguments.build or built(own, arguments.pictures, arguments.rows)
        results = measure(build, Path(name) / "linked", arguments.rows)
        if arguments.peer:
            rows, rounds = arguments.peer_rows, arguments.rounds
            results["compared"] = compared(beside, arguments.pictures, rows, arguments.peer, rounds)
    tell(results, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
