"""Pictures of six formats, mutated, all in one build: one row each, and no part fails."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.lab.chaos import inputs
from benchmarks.lab.chaos.inputs import drawn, encoded
from benchmarks.lab.chaos.row import Asked, Row

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF")
SIDE = (64, 48)
# Runs a command and prints the peak memory, in KB, of the largest process below it: it adopts those
# whose parents have ended (PR_SET_CHILD_SUBREAPER), and waits for all.
_PEAK = """
import ctypes, os, resource, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
code = subprocess.call(sys.argv[1:])
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def run(asked: Asked) -> Row:
    """As many pictures as asked; the time is not looked at, a build goes to its end."""
    row = Row(name="mutated pictures", promise="one row each, kept or with a reason; no part fails")
    rng = asked.rng()
    recipe = inputs.write_inputs(
        asked.folder, {f"{n:05d}.jpg": mutated(_picture(n), rng) for n in range(asked.tries)}
    )
    build = asked.folder / "BUILD"
    words = [sys.executable, "-c", _PEAK, sys.executable, "-m", "emo8.cli", "build"]
    done = subprocess.run(
        [*words, str(recipe), "-o", str(build), "--workers", str(os.cpu_count() or 1)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        row.count(f"the build ends with {done.returncode}: {done.stderr[-400:]}")
    told = _rows(build)
    for number in range(asked.tries):
        count = told.get(f"{number:05d}.jpg", 0)
        row.count("" if count == 1 else f"picture {number}: {count} rows")
    row.figures = {
        "formats": len(FORMATS),
        "kept": _kept(build),
        "peak_mb": round(int(done.stdout.split()[-1]) / 1024),
    }
    return row


def _picture(number: int) -> bytes:
    return encoded(drawn(number, SIDE), FORMATS[number % len(FORMATS)])


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A file with bytes changed, cut out, put in twice or missing at its end."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 6, 30))):
        at, size = rng.randrange(8, len(out)), rng.randrange(1, 120)
        kind = rng.randrange(6)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
        elif kind == 2 and len(out) > size + 64:
            del out[at : at + size]
        elif kind == 3:
            out[at:at] = out[at : at + size]
        elif kind == 4:
            out[at:at] = rng.randbytes(size)
        elif len(out) > 64:
            del out[max(at, 32) :]
    return bytes(out)


def _rows(build: Path) -> Counter[str]:
    """How many rows every input file has."""
    table = build / "tables" / "verdicts.parquet"
    if not table.exists():
        return Counter()
    return Counter(pq.read_table(table)["source_path"].to_pylist())


def _kept(build: Path) -> int:
    shards = (build / "dataset").glob("data/*/*.parquet")
    return sum(pq.read_metadata(path).num_rows for path in shards)
