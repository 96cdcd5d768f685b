"""CPU time, memory and disk of the steps over all rows, on a synthetic build of any size.

    python -m benchmarks.speed global_steps --rows 400000 --out global_steps.json

The build is made from the sample's measured columns, repeated, with fresh ids, hashes and random
numbers; one row in twenty has the pixels of an earlier one. It has no pictures, and pairs are not
searched. Everything from the finished parts to verdicts, splits and report runs in
a process of its own, whose memory is watched from outside.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import emo8
from benchmarks.lab.output import tell
from emo8.core.read_recipe import parse_recipe
from emo8.core.settings import IngestConfig
from emo8.dataset import row_order
from emo8.duplicates import find
from emo8.duplicates.drop import DuplicateSearch
from emo8.duplicates.leaks import Leaks
from emo8.engine.database import FOLDER, opened
from emo8.engine.steps import ROWS, part_path
from emo8.labels.calibration import Calibrations
from emo8.labels.clip_steps import Model
from emo8.pipeline.decide import Decider
from emo8.pipeline.verdicts import Verdicts
from emo8.report import numbers
from emo8.review import votes
from emo8.review.final_labels import FinalLabels
from emo8.tables.rows import COLUMNS

MEMORY = "512MB"
EACH = 20  # so many rows, of which the last shows the pixels of an earlier one
_BUILD = (sys.executable, "-m", "emo8.cli", "build")
_HEAVY = ("image", "thumb", "thumb_trimmed", "chroma", "chroma_trimmed")


def sample_columns(folder: Path) -> dict[str, pa.Table]:
    """The columns that the steps over all rows read, of the sample built in `folder`."""
    build = folder / "sample"
    if not build.exists():
        recipe = str(Path(emo8.__file__).parent / "demo" / "sample" / "recipe.toml")
        subprocess.run([*_BUILD, recipe, "-o", str(build)], check=True, capture_output=True)
    parts = range(len(list((build / "rows").glob("part-*.parquet"))))
    found = {}
    for table in COLUMNS:
        pieces = [pq.read_table(part_path(build, table, part)) for part in parts]
        whole = pa.concat_tables(pieces).replace_schema_metadata(None).combine_chunks()
        found[table] = whole.drop_columns([c for c in _HEAVY if c in whole.column_names])
    return found


def make(folder: Path, columns: dict[str, pa.Table], rows: int, part_rows: int) -> Path:
    """A build of `rows` rows in parts of `part_rows`, up to the steps over all of them."""
    build, rng = folder / "BUILD", np.random.default_rng(0)
    size = len(columns[ROWS])
    for part, start in enumerate(range(0, rows, part_rows)):
        number = np.arange(start, min(start + part_rows, rows))
        repeats = number % EACH == EACH - 1
        picture = np.where(repeats, number * 7919 % (number + 1), number)
        fresh = {
            "id": _hashes("id", number),
            "pixel_sha256": _hashes("pixels", picture),
            "phash": pa.array(rng.integers(0, 2**63, len(number), dtype=np.uint64)),
        }
        for table, whole in columns.items():
            piece = whole.take(pa.array(number % size))
            for place, name in enumerate(piece.column_names):
                if name in fresh:  # what was null stays so
                    valid = piece[name].is_valid().combine_chunks()
                    new = pc.if_else(valid, fresh[name], None)
                    piece = piece.set_column(place, name, new)
            path = part_path(build, table, part)
            path.parent.mkdir(parents=True, exist_ok=True)  # as parts are, but not for keeps
            pq.write_table(piece, path, compression="zstd", write_page_checksum=True)
    return build


def _hashes(kind: str, numbers: np.ndarray) -> pa.Array:
    """64 hex digits for every number, always the same."""
    return pa.array([sha256(f"{kind} {number}".encode()).hexdigest() for number in numbers])


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
    started, cpu = time.perf_counter(), time.process_time()
    with opened(build, recipe.engine.memory_bytes()) as db:
        verdicts.write(db, parts, [], "synthetic")
    numbers.write_report(build, numbers.statistics(build, ["embedded"]))
    return {"cpu_s": time.process_time() - cpu, "seconds": time.perf_counter() - started}


_MODEL = Model(name="embedded", weights_sha256="", dim=128, logit_scale=1.0, logit_bias=None,
               context_length=77, precision="fp32", activation="gelu")  # fmt: skip


def watched(build: Path, memory: str) -> dict[str, Any]:
    """The figures of `run_steps` in a process of its own, and what it held and spilled at most."""
    command = [sys.executable, "-m", "benchmarks.lab.speed.global_steps", "--run", str(build)]
    command += ["--memory", memory]
    spilled = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            spilled = max(spilled, _size(build / FOLDER))
            time.sleep(0.05)
        answer = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return {**json.loads(answer), "spilled_mb": spilled / 2**20}


def _size(folder: Path) -> int:
    """Bytes of the files in a folder that another process fills."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[400_000], help="of each build")
    parser.add_argument("--part-rows", type=int, default=IngestConfig().part_rows)
    parser.add_argument("--memory", default=MEMORY, help=f"as [engine] memory; default {MEMORY}")
    parser.add_argument("--build", type=Path, help="folder to make the build in, and keep it")
    parser.add_argument("--run", type=Path, metavar="BUILD", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    if arguments.run:
        figures = run_steps(arguments.run, arguments.memory)
        peak = {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        sys.stdout.write(json.dumps({**figures, **peak}))
        return 0
    sizes = []
    for rows in sorted(arguments.rows):
        with tempfile.TemporaryDirectory() as name:
            folder = arguments.build or Path(name)
            columns = sample_columns(folder)
            build = make(folder, columns, rows, arguments.part_rows)
            found = watched(build, arguments.memory)
        sizes.append({"rows": rows, **{key: round(value, 2) for key, value in found.items()}})
    tell({**sizes[-1], **grown(sizes), "memory": arguments.memory}, arguments.out)
    return 0


def grown(sizes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of every size, and how memory grows from the smallest to the largest."""
    more = sizes[-1]["rows"] - sizes[0]["rows"]
    kb = (sizes[-1]["peak_mb"] - sizes[0]["peak_mb"]) * 1024 / max(1, more)
    return {"sizes": list(sizes), "kb_per_row": round(kb, 3)}


if __name__ == "__main__":
    sys.exit(main())
