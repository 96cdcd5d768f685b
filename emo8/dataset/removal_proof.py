"""Where a removed picture still is: every file of given folders is looked at.

A picture is known by its id and by the hashes that the removal list holds of it. Parquet files are
searched by the columns that name rows, pictures by the SHA-256 of the file, all else by the hashes
as text. Tables that must know the hash to keep the picture out hold nothing else of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emo8.core.inside import files_below
from emo8.dataset.removal import Removal

_NAMING = ("id", "published_sha256", "pixel_sha256")
_MEMORY = re.compile(r"tables/(verdicts|rejected|splits|places|compared|copies)\.parquet$")
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".avif")


class Place(NamedTuple):
    """One file that was looked at."""

    path: Path
    found: str  # in words; "" = nothing
    holds: bool  # more than the hash by which the picture is kept out


def names_of(key: str, removals: list[Removal]) -> set[str]:
    """All hashes by which the picture called `key` is known."""
    known = {key.strip().lower()}
    for removal in removals:
        own = {removal.key.strip().lower(), *removal.ids, *removal.pixels}
        if known & own:
            known |= {name for name in own if re.fullmatch(r"[0-9a-f]{64}", name)}
    return known


def look(root: Path, names: set[str]) -> Iterator[Place]:
    """Every file below `root`, or the file itself, and what it holds of the picture."""
    stems = {hashlib.sha256(name.encode()).hexdigest() for name in names}  # files of the App
    below = [root] if root.is_file() else sorted(files_below(root))
    files = [path for path in below if path.is_file()]
    for path in files:
        if path.suffix == ".parquet":
            yield _table(path, names)
        elif path.suffix.lower() in _PICTURES:
            data = path.read_bytes()
            same = hashlib.sha256(data).hexdigest() in names or path.stem in stems
            yield Place(path, "the picture" if same else "", same)
        else:
            data = path.read_bytes()
            said = any(name.encode() in data for name in names)
            yield Place(path, "its hash as text" if said else "", said)


def _table(path: Path, names: set[str]) -> Place:
    """Rows of a parquet file that are the picture's, and whether its bytes are there."""
    try:
        with pq.ParquetFile(path) as file:
            columns = [name for name in _NAMING if name in file.schema_arrow.names]
            rows = pictures = 0
            for group in range(file.num_row_groups) if columns else ():
                table = file.read_row_group(group, columns=columns)
                hits = [pc.is_in(table[name], pa.array(sorted(names))) for name in columns]
                hit = [any(cells) for cells in zip(*(each.to_pylist() for each in hits))]
                rows += sum(hit)
                if any(hit) and "image" in file.schema_arrow.names:
                    images = file.read_row_group(group, columns=["image"])["image"].to_pylist()
                    pictures += sum(bool(h and i and i["bytes"]) for h, i in zip(hit, images))
    except (OSError, pa.ArrowException) as error:
        return Place(path, f"cannot be read: {error}", True)
    if not rows:
        return Place(path, "", False)
    memory = bool(_MEMORY.search(path.as_posix()))
    what = "with the picture" if pictures else "its hash alone" if memory else "without the picture"
    return Place(path, f"{rows} rows, {what}", not memory)
