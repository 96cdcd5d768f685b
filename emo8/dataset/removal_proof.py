"""Where a removed picture still is: every file of given folders is looked at.

A picture is known by its id and by the hashes that the removal list holds of it. In a build, its
rows may keep names and hashes, by which it is kept out (`removal.KEPT`), and nothing else. Parquet
files are searched by every column of text, pictures by name and SHA-256, archives and sheets by
their members, all else by the hashes as text. Sheets of many pictures cannot be searched: they may
show it while the dataset beside them holds it.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emo8.core.inside import files_below
from emo8.dataset.removal import KEPT, MAX_COPY_DISTANCE, Matcher, Removal
from emo8.engine.files import is_partial, read_columns
from emo8.engine.steps import ROWS, part_path

_MEMORY = re.compile(r"tables/(verdicts|rejected|splits|places|compared|copies)\.parquet$")
_TRAINED = "trained_on.parquet"  # in a RUN: what its weights have seen
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp", ".tiff", ".heic", ".jxl")
_MAX_MEMBER_BYTES = 1 << 30
MAY_SHOW = "may show it: what lies beside it names it"
SHOWN = "shown.json"  # beside sheets: the ids of the pictures on them


class Place(NamedTuple):
    """One file that was looked at."""

    path: Path
    found: str  # in words; "" = nothing
    holds: bool  # more than the hash by which the picture is kept out


def names_of(key: str, removals: list[Removal], builds: list[Path]) -> set[str]:
    """All hashes by which the picture called `key` is known, and the ids of its near copies."""
    known = {key.strip().lower()}
    requests = []
    for removal in removals:
        own = {removal.key.strip().lower(), *removal.ids, *removal.pixels}
        if known & own:
            requests.append(removal)
            known |= {name for name in own if re.fullmatch(r"[0-9a-f]{64}", name)}
    return known.union(*(_copies(build, known, requests) for build in builds))


def _copies(build: Path, names: set[str], requests: list[Removal]) -> set[str]:
    """The hashes of a build's rows that are the picture, or near copies of it."""
    found: set[str] = set()
    matcher = Matcher([*requests, *(Removal(key=name, reason="") for name in names)])
    for path in sorted((build / ROWS).glob("part-*.parquet")):
        number = int(path.stem.removeprefix("part-"))
        measured = part_path(build, "measure", number)
        if not measured.exists():
            continue
        ids = read_columns(path, ["id"])["id"]
        hashes = read_columns(measured, ["pixel_sha256", "phash"])
        hit = matcher.exact(ids, hashes["pixel_sha256"])
        phash = hashes["phash"]
        near = matcher.copies(pc.fill_null(phash, 0).to_numpy()) <= MAX_COPY_DISTANCE
        hit |= near & phash.is_valid().to_numpy()
        for row in np.flatnonzero(hit).tolist():
            found |= {ids[row].as_py(), hashes["pixel_sha256"][row].as_py()} - {None}
    return found


def look(root: Path, names: set[str]) -> list[Place]:
    """Every file below `root`, or the file itself, and what it holds of the picture."""
    below = [root] if root.is_file() else sorted(files_below(root))
    files = [path for path in below if path.is_file()]
    places = [*_parts(root, names)]
    known = {place.path for place in places}
    places += [_file(path, names) for path in files if path not in known]
    naming = [place for place in places if place.holds and _names_rows(place.path)]
    if not naming:
        return places
    return [
        Place(place.path, MAY_SHOW, True)
        if not place.found and place.path.suffix.lower() in _PICTURES
        else place
        for place in places
    ]


def _names_rows(path: Path) -> bool:
    return path.suffix == ".parquet" or path.name == SHOWN


def _parts(build: Path, names: set[str]) -> Iterator[Place]:
    """The parts of a build: what a row of the picture holds besides its names."""
    for path in sorted((build / ROWS).glob("part-*.parquet")):
        number = int(path.stem.removeprefix("part-"))
        ids = read_columns(path, ["id"])["id"]
        rows = np.flatnonzero(pc.is_in(ids, pa.array(sorted(names))).to_numpy()).tolist()
        yield _aligned(path, rows, KEPT[ROWS])
        for folder in sorted((build / "columns").glob("*")):
            part = part_path(build, folder.name, number)
            if part.exists():
                yield _aligned(part, rows, KEPT.get(folder.name, ()))


def _aligned(path: Path, rows: list[int], kept: tuple[str, ...]) -> Place:
    if not rows:
        return Place(path, "", False)
    with pq.ParquetFile(path) as file:
        columns = [name for name in file.schema_arrow.names if name not in kept]
        own = [file.read(columns=[name])[name] for name in columns]
    said = [
        name
        for name, column in zip(columns, own, strict=True)
        if any(column[row].is_valid for row in rows)
    ]
    if said:
        return Place(path, f"{len(rows)} rows, with {', '.join(said)}", True)
    return Place(path, f"{len(rows)} rows, its hash alone" if kept else "", False)


def _file(path: Path, names: set[str]) -> Place:
    if is_partial(path):
        return Place(path, "unfinished: cannot be read; delete it if nothing is running", True)
    if path.suffix == ".parquet":
        return _table(path, names)
    stems = {hashlib.sha256(name.encode()).hexdigest() for name in names}  # files of the App
    if path.stem in stems or any(name in path.name for name in names):
        return Place(path, "a file of its name", True)
    try:
        if path.suffix.lower() in _PICTURES:
            with path.open("rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() in names
            return Place(path, "the picture" if same else "", same)
        found = "its hash as text" if _says(path, names) else _member(path, names)
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:  # the last: encrypted
        return Place(path, f"cannot be read: {error}", True)
    return Place(path, found, bool(found))


def _says(path: Path, names: set[str]) -> bool:
    """Whether a file of any size holds one of the names as text."""
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(name.encode()) >= 0 for name in names)


def _member(path: Path, names: set[str]) -> str:
    """What a zip archive, a workbook or an `.npz` holds inside; "" = nothing, or it is none."""
    if not zipfile.is_zipfile(path):
        return ""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.file_size > _MAX_MEMBER_BYTES:
                return f"cannot be read: {member.filename} is too large"
            data = archive.read(member)
            said = any(name.encode() in data or name in member.filename for name in names)
            if said or hashlib.sha256(data).hexdigest() in names:
                return f"its hash in {member.filename}" if said else f"it is {member.filename}"
    return ""


def _table(path: Path, names: set[str]) -> Place:
    """Rows of a parquet file that name the picture, and whether its bytes are there."""
    wanted, rows, pictures = pa.array(sorted(names)), 0, 0
    try:
        with pq.ParquetFile(path) as file:
            texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
            for group in range(file.num_row_groups) if texts else ():
                table = file.read_row_group(group, columns=texts)
                hit = np.zeros(table.num_rows, bool)
                for column in table.columns:
                    hit |= _named(column, wanted, names)
                rows += int(hit.sum())
                if hit.any() and "image" in file.schema_arrow.names:
                    images = file.read_row_group(group, columns=["image"])["image"]
                    pictures += sum(images[row].is_valid for row in np.flatnonzero(hit).tolist())
    except (OSError, pa.ArrowException) as error:
        return Place(path, f"cannot be read: {error}", True)
    if not rows:
        return Place(path, "", False)
    if path.name == _TRAINED:
        return Place(path, "its hash alone: the run was trained on it", False)
    memory = bool(_MEMORY.search(path.as_posix()))
    what = "with the picture" if pictures else "its hash alone" if memory else "without the picture"
    return Place(path, f"{rows} rows, {what}", not memory)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_nested_text(kind)


def _is_nested_text(kind: pa.DataType) -> bool:
    inner = [kind.field(place).type for place in range(kind.num_fields)]
    return any(pa.types.is_string(one) or _is_nested_text(one) for one in inner) and not any(
        pa.types.is_binary(one) for one in inner
    )


def _named(column: pa.ChunkedArray, wanted: pa.Array, names: set[str]) -> np.ndarray:
    """(N,) bool: cells that are one of the names, or hold one."""
    if pa.types.is_nested(column.type):
        cells = (repr(cell) for cell in column.to_pylist())
        return np.fromiter((any(name in cell for name in names) for cell in cells), bool)
    return np.asarray(pc.is_in(column.cast(pa.string()), wanted).to_numpy(zero_copy_only=False))
