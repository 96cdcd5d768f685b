"""A build of any size without pictures: the sample's measured columns with fresh ids and hashes.

One row in twenty has the pixels of an earlier one. Parts carry fingerprints, so that `emo8 status`
and `emo8 decide` answer as they do for a build that has finished.
"""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import emo8
from emo8.core.read_recipe import load_recipe
from emo8.engine import build_folder
from emo8.engine.files import FINGERPRINT_KEY
from emo8.engine.plan import Plan
from emo8.engine.steps import ROWS, part_path
from emo8.tables.rows import COLUMNS

EACH = 20  # so many rows, of which the last shows the pixels of an earlier one
MARK = "synthetic"  # fingerprint of every part, and of the decision
RECIPE = Path(emo8.__file__).parent / "demo" / "sample" / "recipe.toml"
_HEAVY = ("image", "thumb", "thumb_trimmed", "chroma", "chroma_trimmed")
_OTHERS = ("people", "embed-embedded", "attributes", "describe")  # steps that nobody reads here


def sample_columns(folder: Path) -> dict[str, pa.Table]:
    """`columns_of` the sample, which is built in `folder`."""
    build = folder / "sample"
    if not build.exists():
        command = [sys.executable, "-m", "emo8.cli", "build", str(RECIPE), "-o", str(build)]
        subprocess.run(command, check=True, capture_output=True)
    return columns_of(build)


def columns_of(build: Path) -> dict[str, pa.Table]:
    """The columns that the steps over all rows read, of a build."""
    parts = range(len(list((build / "rows").glob("part-*.parquet"))))
    found = {}
    for table in COLUMNS:
        pieces = [pq.read_table(part_path(build, table, part)) for part in parts]
        whole = pa.concat_tables(pieces).combine_chunks()
        whole = whole.replace_schema_metadata({FINGERPRINT_KEY: MARK.encode()})
        found[table] = whole.drop_columns([c for c in _HEAVY if c in whole.column_names])
    return found


def make(build: Path, columns: dict[str, pa.Table], rows: int, part_rows: int) -> None:
    """Write a build of `rows` rows in parts of `part_rows`, up to the steps over all of them."""
    rng, size = np.random.default_rng(0), len(columns[ROWS])
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
    _finish(build, -(-rows // part_rows))


def _finish(build: Path, num_parts: int) -> None:
    """The other steps' files, and what a finished build knows of itself."""
    for table in _OTHERS:
        part_path(build, table, 0).parent.mkdir(parents=True)
        for part in range(num_parts):
            os.link(part_path(build, "caption", part), part_path(build, table, part))
    resolved = {"models": [{"name": "embedded"}]}
    build_folder.write_resolved(build, load_recipe(RECIPE), RECIPE, resolved)
    marks = {table: [MARK] * num_parts for table in (*COLUMNS, *_OTHERS)}
    Plan(fingerprints=marks, decision=MARK, dataset=MARK, unread={}).save(build)


def _hashes(kind: str, numbers: np.ndarray) -> pa.Array:
    """64 hex digits for every number, always the same."""
    return pa.array([sha256(f"{kind} {number}".encode()).hexdigest() for number in numbers])
