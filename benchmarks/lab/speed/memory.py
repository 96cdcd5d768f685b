"""Peak memory and time of whole builds of growing size.

    python -m benchmarks.speed memory --pictures 'corpus/*.parquet' --sizes 10000 30000

Inputs are synthetic: two random windows of every real picture, recompressed, so that a larger
build has more pictures and not more alike ones. With fewer pictures than half the rows they are
used again, and windows of one picture make pairs to compare that grow with the square of that.

Every size is a build of its own with one worker, in processes of its own. Part steps run in the
worker, whose peak must not grow with the number of rows; global steps run in the main process,
whose peak may grow by 1 KB a row. Memory is what a process holds for itself; pages of files it has
mapped (thumbnails compared for copies) are the system's to take back and do not count. The exponent
is the slope of log(time) over log(rows) between the smallest and largest size.
"""

from __future__ import annotations

import argparse
import glob
import io
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.lab.output import tell

SIZE = (160, 120)
ROWS_PER_FILE = 1000
PER_PICTURE = 2  # windows
RECIPE = """name = "memory"
[[source]]
kind = "table"
path = "inputs/*.parquet"
style = "natural"
license = "CC0-1.0"
[labels]
clip = ["embedded"]
[people]
detector = "off"
"""


def originals(pattern: str, count: int | None) -> list[bytes]:
    """The first `count` pictures, or all, in parquet files or a folder; SystemExit for none."""
    found: list[bytes] = []
    for path in map(Path, sorted(glob.glob(pattern))):
        if path.suffix == ".parquet":
            rows = pq.read_table(path, columns=["image"]).column(0).to_pylist()
            found += [row["bytes"] if isinstance(row, dict) else row for row in rows]
        else:
            found.append(path.read_bytes())
    if len(found) < (count or 1):
        raise SystemExit(f"{pattern}: only {len(found)} pictures")
    return found[:count]


def windows(pictures: list[bytes], rows: range, seed: int) -> Iterator[bytes]:
    """A recompressed random window of each row's picture, some mirrored, as JPEG."""
    rng = np.random.default_rng(seed)
    for row in rows:
        image = Image.open(io.BytesIO(pictures[row // PER_PICTURE % len(pictures)])).convert("RGB")
        width, height = (int(side * rng.uniform(0.3, 0.8)) for side in image.size)
        left = int(rng.integers(0, image.width - width))
        top = int(rng.integers(0, image.height - height))
        window = image.resize(SIZE, box=(left, top, left + width, top + height))
        if rng.random() < 0.5:
            window = window.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        out = io.BytesIO()
        window.save(out, "JPEG", quality=int(rng.integers(60, 96)))
        yield out.getvalue()


def write_inputs(folder: Path, pictures: list[bytes], count: int) -> Path:
    """A recipe over `count` pictures in parquet files."""
    (folder / "inputs").mkdir(parents=True)
    for number, start in enumerate(range(0, count, ROWS_PER_FILE)):
        rows = range(start, min(start + ROWS_PER_FILE, count))
        images = [{"bytes": data, "path": None} for data in windows(pictures, rows, number)]
        pq.write_table(pa.table({"image": images}), folder / "inputs" / f"{number:05d}.parquet")
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    return recipe


def own_mb(pid: int | str) -> float:
    """Memory a living process holds for itself now; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def children(pid: int) -> list[str]:
    found: list[str] = []
    for place in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += place.read_text().split()
        except OSError:  # the thread has ended
            continue
    return found


def build(recipe: Path) -> dict[str, float]:
    """Seconds of one build, and the peaks of its main process and of its worker."""
    command = [sys.executable, "-m", "emo8.cli", "build", str(recipe), "-o",
               str(recipe.parent / "BUILD"), "--workers", "1"]  # fmt: skip
    start, main, worker = time.perf_counter(), 0.0, 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            main = max(main, own_mb(process.pid))
            worker = max([worker, *(own_mb(child) for child in children(process.pid))])
            time.sleep(0.05)
        error = process.stderr.read().decode() if process.stderr else ""
    if process.returncode:
        raise SystemExit(error)
    return {"seconds": time.perf_counter() - start, "main_mb": main, "worker_mb": worker}


def measure(pictures: list[bytes], sizes: Sequence[int]) -> dict[str, Any]:
    """Each size's figures, and how they grow from the smallest to the largest."""
    rows = []
    for size in sorted(sizes):
        with tempfile.TemporaryDirectory() as folder:
            found = build(write_inputs(Path(folder), pictures, size))
        rows.append({"rows": size, **{key: round(value, 1) for key, value in found.items()}})
        sys.stderr.write(f"{rows[-1]}\n")
    first, last = rows[0], rows[-1]
    more = last["rows"] - first["rows"]
    ratio = math.log(last["seconds"] / first["seconds"]) / math.log(last["rows"] / first["rows"])
    return {
        "sizes": rows,
        "worker_grows_mb": round(last["worker_mb"] - first["worker_mb"], 1),
        "main_kb_per_row": round((last["main_mb"] - first["main_mb"]) * 1024 / more, 3),
        "time_exponent": round(ratio, 3),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pictures", required=True, help="parquet files or JPEGs, a glob")
    parser.add_argument("--count", type=int, help="pictures that windows come from; all")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 50_000, 200_000])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    if len(set(arguments.sizes)) < 2:
        parser.error("--sizes needs two different sizes to compare")
    pictures = originals(arguments.pictures, arguments.count)
    tell(measure(pictures, arguments.sizes), arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
