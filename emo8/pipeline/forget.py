"""Removed pictures leave a build itself: their rows keep names, addresses and hashes, no more.

By those a row is known again, and its near copies are found. Everything else of it goes: in `rows/`
the picture and what the source said of it, in `columns/` what was measured and claimed, in
`tables/` the votes. The parts keep their fingerprints, and get new checksums; a part says in its
footer which requests it honoured, so that it is made anew when one is withdrawn.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.dataset.removal import KEPT, Removal, removed_rows
from emo8.engine.database import Database
from emo8.engine.files import part_writer, read_columns, read_fingerprint
from emo8.engine.plan import Plan
from emo8.engine.steps import ROWS, part_path
from emo8.pipeline.integrity import SMALL
from emo8.review import queue, sheets, votes
from emo8.tables.rows import inputs, slabs

HONOURED = b"emo8.forgotten"  # in the footer of rows/: hashes of the requests it was blanked for
_FOR_REMOVAL = ("id", "pixel_sha256", "source_url", "source_path", "phash")


def pictures(db: Database, parts: Sequence[int], removals: list[Removal], plan: Plan) -> set[str]:
    """Blank the rows on the list and their near copies in every part; the ids of those rows."""
    found = _places(db, parts, removals) if removals else {}
    ids: set[str] = set()
    for part, rows in sorted(found.items()):
        own = read_columns(part_path(db.build, ROWS, part), ["id"])["id"].take(pa.array(rows))
        ids.update(key for key in own.to_pylist() if key)
        for table in plan.fingerprints:
            path = part_path(db.build, table, part)
            if path.exists():
                notes = _stamp(removals) if table == ROWS else {}
                _blank(path, rows, KEPT.get(table, ()), notes)
    return ids


def answers(build: Path, ids: set[str]) -> None:
    """Drop the votes on these rows, and who was asked for some."""
    if not ids:
        return
    stored = votes.stored_votes(build)
    left = stored[~stored["id"].isin(ids)]
    if len(left) < len(stored):
        votes.write_votes(build, left)
    queue.forget(build, ids)


def pages(build: Path) -> None:
    """Remove pages, sheets and previews, which may show what was removed: they come on demand."""
    kept = {Path(name).name for name in SMALL if name.startswith("report/")}
    for path in (build / "report").glob("*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in kept:
            path.unlink()
    shutil.rmtree(build / "browse" / "pictures", ignore_errors=True)
    (build / "tables" / sheets.QUEUE_NAME).unlink(missing_ok=True)


def undo(build: Path, plan: Plan, removals: list[Removal]) -> None:
    """Remove the parts that were blanked for a request that is not on the list any more."""
    asked = set(_hashes(removals))
    for part in range(len(plan.fingerprints[ROWS])):
        honoured = _honoured(part_path(build, ROWS, part))
        if not honoured <= asked:
            for table in plan.fingerprints:
                part_path(build, table, part).unlink(missing_ok=True)


def _places(db: Database, parts: Sequence[int], removals: list[Removal]) -> dict[int, list[int]]:
    """Part -> the rows in it that are on the list, or near copies of one that is."""
    cut = slabs(db, parts)
    hits = removed_rows(
        lambda: (
            piece
            for slab in cut
            for piece in db.batches(f"SELECT * FROM {inputs(db.build, slab, _FOR_REMOVAL)}")
        ),
        removals,
    )["n"].to_numpy()
    found: dict[int, list[int]] = defaultdict(list)
    for slab in cut:
        start = slab.start
        for part, size in zip(slab.parts, slab.sizes, strict=True):
            inside = hits[(hits >= start) & (hits < start + size)] - start
            if len(inside):
                found[part] = sorted(inside.tolist())
            start += size
    return found


def _blank(path: Path, rows: list[int], kept: tuple[str, ...], notes: dict[bytes, bytes]) -> None:
    """Write a part again with nothing but the columns `kept` in these rows, if it holds more."""
    mark = read_fingerprint(path)
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        schema = file.schema_arrow
        blanked = [name for name in schema.names if name not in kept]
        if not any(_holds(file, name, rows) for name in blanked):
            return
        noted = schema.with_metadata({**(schema.metadata or {}), **notes})
        with part_writer(noted, path, mark or "") as writer:
            start = 0
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                own = [row - start for row in rows if start <= row < start + table.num_rows]
                for name in blanked if own else ():
                    place = table.column_names.index(name)
                    table = table.set_column(place, schema.field(name), _without(table[name], own))
                writer.write_table(table.cast(writer.schema))
                start += table.num_rows


def _holds(file: pq.ParquetFile, name: str, rows: list[int]) -> bool:
    """Whether a column says anything in one of these rows."""
    column = file.read(columns=[name])[name]
    return any(column[row].is_valid for row in rows)


def _without(column: pa.ChunkedArray, rows: list[int]) -> pa.ChunkedArray:
    """The column with nulls in these rows; chunk by chunk, since pictures fill an offset."""
    chunks, start = [], 0
    for chunk in column.chunks:
        keep = np.ones(len(chunk), bool)
        keep[[row - start for row in rows if start <= row < start + len(chunk)]] = False
        places = pa.array(np.arange(len(chunk)), mask=~keep)
        chunks.append(chunk.take(places))
        start += len(chunk)
    return pa.chunked_array(chunks, column.type)


def _stamp(removals: list[Removal]) -> dict[bytes, bytes]:
    return {HONOURED: json.dumps(_hashes(removals)).encode()}


def _hashes(removals: list[Removal]) -> list[str]:
    return sorted({hashlib.sha256(one.key.encode()).hexdigest() for one in removals})


def _honoured(path: Path) -> set[str]:
    try:
        noted = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowException):  # not written yet, or damaged and soon written again
        return set()
    return set(json.loads(noted.get(HONOURED, b"[]")))
