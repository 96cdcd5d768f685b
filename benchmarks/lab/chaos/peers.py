"""What `datasets` loses in the same tests: saves killed after their n-th change, and flipped bits.

A second version of a small dataset is saved over the first, as `emo8 publish` does, and killed on
the way; then one bit of a whole save is flipped, and all of it is read. What counts against it is
a folder that holds neither version, and rows that come out changed without an error. Its own
documentation promises neither; the row is here to compare.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.lab.chaos import aimed
from benchmarks.lab.chaos.row import Asked, Row, Time

ROWS, BYTES = 24, 2_000
OLD, NEW, CHANGED, REFUSED = 0, 3, 4, 5  # what a reader finds
Write = Callable[[Any, Path], object]
Read = Callable[[Path], Any]


def run(asked: Asked) -> Row:
    """Half of the tries are kills, half are bits; what it lost stands in the figures."""
    row = Row(name="peers", promise="(a comparison) what `datasets` loses in kills and bits")
    aimed.import_all()
    rng, clock = asked.rng(), Time(asked.seconds)
    for name, (write, read) in _forms().items():
        place = asked.folder / name
        lost = {"killed": 0, "neither_old_nor_new": 0, "bits": 0, "changed_without_a_word": 0}
        row.figures[name] = lost
        share = max(1, asked.tries // (2 * len(_forms())))
        for at in _changes(write, place, asked.folder, share):
            if not clock.over():
                lost["killed"] += 1
                found = _killed(write, read, place, asked.folder, at)
                lost["neither_old_nor_new"] += found not in (OLD, NEW)
                row.count("")
        for _ in range(0 if clock.over() else share):
            lost["bits"] += 1
            found = _flipped(write, read, place, asked.folder, rng)
            lost["changed_without_a_word"] += found in (NEW, CHANGED)
            row.count("")
    return row


def _forms() -> dict[str, tuple[Write, Read]]:
    import datasets

    return {
        "save_to_disk": (
            lambda data, place: data.save_to_disk(str(place)),
            lambda place: datasets.load_from_disk(str(place)),
        ),
        "to_parquet": (
            lambda data, place: data.to_parquet(str(place / "data.parquet")),
            lambda place: datasets.load_dataset(
                str(place), split="train", cache_dir=str(place.with_name("cache"))
            ),
        ),
    }


def _version(number: int) -> Any:
    import datasets

    rng = random.Random(number)
    rows = {"id": list(range(ROWS)), "image": [rng.randbytes(BYTES) for _ in range(ROWS)]}
    return datasets.Dataset.from_dict(rows)


def _save(write: Write, number: int, place: Path) -> int:
    place.mkdir(exist_ok=True)
    write(_version(number), place)
    return 0


def _look(read: Read, place: Path) -> int:
    """Which version a reader of all rows finds."""
    try:
        found = _hash(read(place))
    except Exception:  # libraries raise anything here
        return REFUSED
    return {_hash(_version(0)): OLD, _hash(_version(1)): NEW}.get(found, CHANGED)


def _hash(data: Any) -> str:
    return hashlib.sha256(repr([(row["id"], row["image"]) for row in data]).encode()).hexdigest()


def _fresh(write: Write, place: Path, scratch: Path) -> None:
    """The first version, whole."""
    for folder in (place, place.with_name("cache")):
        shutil.rmtree(folder, ignore_errors=True)
    ended = aimed.run(partial(_save, write, 0, place), place, scratch)
    if ended.code:
        raise RuntimeError(ended.output[-600:])


def _changes(write: Write, place: Path, scratch: Path, share: int) -> list[int]:
    _fresh(write, place, scratch)
    number = len(aimed.run(partial(_save, write, 1, place), place, scratch).changes)
    return sorted({number * n // share for n in range(share)})


def _killed(write: Write, read: Read, place: Path, scratch: Path, at: int) -> int:
    _fresh(write, place, scratch)
    aimed.run(partial(_save, write, 1, place), place, scratch, at, "after")
    return aimed.run(partial(_look, read, place), scratch / "nowhere", scratch).code


def _flipped(write: Write, read: Read, place: Path, scratch: Path, rng: random.Random) -> int:
    _fresh(write, place, scratch)
    path = max((p for p in place.rglob("*") if p.is_file()), key=os.path.getsize)  # the rows
    data = bytearray(path.read_bytes())
    at = rng.randrange(8 * len(data))
    data[at // 8] ^= 1 << at % 8
    path.write_bytes(data)
    return aimed.run(partial(_look, read, place), scratch / "nowhere", scratch).code
