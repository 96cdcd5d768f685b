"""The sides of the study of learning, each a cache of views: see "Data" in learning.md.

`train` is learned from. `pictures` are held out by their id; composites are laid after that, so no
held-out picture stands in a composite that is learned from. `families` are artists never seen.
`out_of_domain` and `fewer` are parts of `train` that single arms learn from instead.
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


def make_caches(
    corpus: Path, work: Path, composites: int, learned_from: tuple[str, ...] = ()
) -> dict[str, Path]:
    """{side: a cache of views}, with its rows beside it as .parquet; made where it is missing."""
    caches = {
        side: work / f"learning-{side}.safetensors" for side in dict.fromkeys(SIDES + learned_from)
    }
    for side, cache in caches.items():
        if cache.is_file():
            continue
        source = cache.with_suffix(".parquet")
        source.parent.mkdir(parents=True, exist_ok=True)
        rows = _rows(side, corpus, composites)
        pq.write_table(pa.Table.from_pylist(rows, schema=data.SCHEMA), source)
        command = [sys.executable, "-m", "pretrain.cli", "cache", str(source)]
        command += ["--recipe", RECIPE, "--crops", "4", "--out", str(cache)]
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


def _rows(side: str, corpus: Path, composites: int) -> list[Row]:
    """The pictures of one side and, but for the families, composites of them."""
    train, held_out = split(corpus)
    unseen = composites * HELD_OUT_BELOW // 256
    if side == "families":
        return [_plain(row) for row in _families(corpus)]
    if side == "pictures":
        return _mixed(held_out, data.compose_rows(held_out, unseen, 1), 1)
    rows = {"train": _all, "out_of_domain": _out_of_domain, "fewer": _fewer}[side](train)
    return _mixed(rows, data.compose_rows(rows, composites - unseen, 0), 0)


def _all(train: list[Row]) -> list[Row]:
    return train


def _out_of_domain(train: list[Row]) -> list[Row]:
    """Without the artists whose faces are asked about."""
    return [row for row in train if data.artist(row["source_package"]) is None]


def _fewer(train: list[Row]) -> list[Row]:
    """As many as `out_of_domain` has, of all kinds, chosen by their ids."""
    chosen = sorted(train, key=lambda row: hashlib.sha256(f"fewer:{row['id']}".encode()).digest())
    return chosen[: len(_out_of_domain(train))]


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
