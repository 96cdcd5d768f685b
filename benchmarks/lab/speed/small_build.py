"""CPU time of a first build of twelve pictures, against an older commit of ours.

    python -m benchmarks.speed small_build --peer CHECKOUT --out small_build.json

Twelve of the embedded pictures in two folders, so that two workers are busy; the embedded CLIP, no
detector. Counted is the CPU time of every process that belongs to the build, also of those that end
by themselves: they are read from /proc (Linux) until the last is gone. The wall time until the
first line is what a user waits in front of an empty terminal.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lab.output import tell

PICTURES = 12
ROOT = Path(__file__).resolve().parents[3]
TICKS = os.sysconf("SC_CLK_TCK")
_SOURCE = '[[source]]\nkind = "folder"\npath = "{name}"\nstyle = "cartoon"\n'
_RECIPE = 'name = "small"\n{sources}[labels]\nclip = ["embedded"]\n[people]\ndetector = "off"\n'


def prepare(folder: Path) -> None:
    """The recipe and its two folders."""
    pictures = ROOT / "emo8" / "demo" / "sample" / "pictures" / "cartoon"
    chosen = sorted(pictures.glob("*.webp"))[:PICTURES]
    for number, path in enumerate(chosen):
        place = folder / ("one", "two")[number % 2]
        place.mkdir(exist_ok=True)
        shutil.copy(path, place)
    sources = "".join(_SOURCE.format(name=name) for name in ("one", "two"))
    (folder / "recipe.toml").write_text(_RECIPE.format(sources=sources))


def build(checkout: Path, folder: Path) -> dict[str, float]:
    """CPU seconds of all processes of one build, and seconds until its first line."""
    mark = f"EMO8_SMALL_BUILD={time.monotonic_ns()}"
    name, _, value = mark.partition("=")
    recipe, out = str(folder / "recipe.toml"), str(folder / "BUILD")
    command = [sys.executable, "-u", "-m", "emo8.cli", "build", recipe, "-o", out]
    environment = os.environ | {name: value, "HF_HUB_OFFLINE": "1"}
    started, used = time.perf_counter(), dict[int, float]()
    process = subprocess.Popen(
        [*command, "--workers", "2"], cwd=checkout, env=environment, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stderr is not None
    os.set_blocking(process.stderr.fileno(), False)
    said, first = b"", 0.0
    while process.poll() is None or count_cpu(mark, used):
        said += process.stderr.read() or b""
        first = first or (time.perf_counter() - started if b"\n" in said else 0.0)
        count_cpu(mark, used)
        time.sleep(0.02)
    shutil.rmtree(folder / "BUILD")
    if process.returncode:
        raise SystemExit(f"{checkout}: {said.decode()}")
    return {"cpu_s": sum(used.values()), "first_line_s": first}


def count_cpu(mark: str, used: dict[int, float]) -> bool:
    """Note in `used` the CPU seconds of the processes that carry a mark in their environment.

    Whether there are any. A build's workers are no children of it: a server forks them.
    """
    alive = False
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if int(path.name) not in used and mark.encode() not in (path / "environ").read_bytes():
                continue
            fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has ended, or is somebody else's
            continue
        used[int(path.name)] = (int(fields[11]) + int(fields[12])) / TICKS
        alive = alive or fields[0] != "Z"
    return alive


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peer", type=Path, required=True, help="a checkout of an older commit")
    parser.add_argument("--rounds", type=int, default=3, help="of each, in turns")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    checkouts = {"ours": ROOT, "peer": arguments.peer.resolve()}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        for _ in range(arguments.rounds):
            for who, checkout in checkouts.items():
                runs[who].append(build(checkout, Path(name)))
    result: dict[str, Any] = {"pictures": PICTURES}
    for who, found in runs.items():
        result[who] = {
            key: round(float(np.median([run[key] for run in found])), 2) for key in found[0]
        }
    result["cpu_share"] = round(result["ours"]["cpu_s"] / result["peer"]["cpu_s"], 3)
    tell(result, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
