"""Time and memory of `emo8 browse` on a build, first and again.

    python -m benchmarks.speed browse --build BUILD --rows 5000 --out browse.json

Takes the build's first rows; with --pictures it makes the build first. A run is the command itself,
from its start until the App answers: it starts FiftyOne and its database, makes the picture files,
inserts the rows and makes views, maps and the similarity index. `rows_s` is the time until the rows
are in. The second run finds everything there. The build is read through links in a folder of its
own, and its dataset leaves FiftyOne afterwards.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.lab.output import tell
from benchmarks.lab.speed import rebuild

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_CHANGED = re.compile(r"(\d+) rows in \d+ s: (\d+) new, (\d+) changed")
_PORT = "5199"


def browse(build: Path, rows: int) -> tuple[dict[str, Any], str]:
    """Numbers of one run, and the name of its dataset in FiftyOne."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "emo8.cli", "browse", str(build), "--no-open"]
    found: dict[str, Any] = {}
    with subprocess.Popen(
        [*command, "--limit", str(rows), "--port", _PORT], stdout=subprocess.PIPE, text=True
    ) as process:
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
                    served = round(time.perf_counter() - start, 1)
                    return {**found, "served_s": served}, line.strip().rpartition("/")[2]
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


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--build", type=Path)
    parser.add_argument("--pictures", help="parquet files with captions, a glob, to build from")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    if not (arguments.build or arguments.pictures):
        parser.error("give --build BUILD, or --pictures GLOB to make one")
    with tempfile.TemporaryDirectory() as folder:
        build = arguments.build or built(Path(folder), arguments.pictures, arguments.rows)
        tell(measure(build, Path(folder) / "linked", arguments.rows), arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
