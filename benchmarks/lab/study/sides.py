"""The three sides of the study of learning, each a cache of views: see "Data" in learning.md.

`train` is learned from. `pictures` are held out by their id; composites are laid after that, so no
held-out picture stands in a composite that is learned from. `families` are artists never seen.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.lab.study import data
from benchmarks.lab.study.arms import RECIPE
from emo8.core.errors import Emo8Error

SIDES = ("train", "pictures", "families")
HELD_OUT_BELOW = 13  # of 256, by the first byte of SHA-256(id)
Row = dict[str, Any]


def make_caches(corpus: Path, work: Path, composites: int) -> dict[str, Path]:
    """{side: a cache of views}, with its rows beside it as .parquet; made where it is missing."""
    caches = {side: work / f"learning-{side}.safetensors" for side in SIDES}
    if all(path.is_file() for path in caches.values()):
        return caches
    for side, rows in _sides(corpus, composites).items():
        source = caches[side].with_suffix(".parquet")
        source.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=data.SCHEMA), source)
        command = [sys.executable, "-m", "pretrain.cli", "cache", str(source)]
        command += ["--recipe", RECIPE, "--crops", "4", "--out", str(caches[side])]
        if subprocess.run(command, check=False).returncode:
            raise Emo8Error(f"{' '.join(command[2:])} failed; see above")
    return caches


def split(corpus: Path) -> tuple[list[Row], list[Row]]:
    """The corpus's rows that are learned from, and those held out."""
    train: list[Row] = []
    held_out: list[Row] = []
    for row in data.read(corpus):
        (held_out if is_held_out(row["id"]) else train).append(row)
    return train, held_out


def is_held_out(row_id: str) -> bool:
    """Whether a picture is asked about and never learned from."""
    return hashlib.sha256(row_id.encode()).digest()[0] < HELD_OUT_BELOW


def _sides(corpus: Path, composites: int) -> dict[str, list[Row]]:
    train, held_out = split(corpus)
    unseen = composites * HELD_OUT_BELOW // 256
    return {
        "train": _mixed(train, data.compose_rows(train, composites - unseen, 0), 0),
        "pictures": _mixed(held_out, data.compose_rows(held_out, unseen, 1), 1),
        "families": [_plain(row) for row in _families(corpus)],
    }


def _mixed(rows: list[Row], laid: Iterable[Row], seed: int) -> list[Row]:
    """Pictures and composites in an order of chance, so that the first ones hold every kind."""
    mixed = [_plain(row) for row in [*rows, *laid]]
    random.Random(seed).shuffle(mixed)
    return mixed


def _plain(row: Row) -> Row:
    return {name: row.get(name) for name in data.SCHEMA.names}


def _families(corpus: Path) -> Iterator[Row]:
    """Pictures of the choice families."""
    for shard in sorted(corpus.glob("images-*.parquet")):
        for row in pq.read_table(shard, columns=data.COLUMNS).to_pylist():
            match = data.HELD_OUT.search(row["source_package"])
            if match and match[1] in data.CHOICE:
                image = row["image"]
                yield row | {"image": image if isinstance(image, bytes) else image["bytes"]}
