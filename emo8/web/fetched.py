"""What was found for the links of one part: where each picture lies, or why there is none.

The table is written before ingest, row-aligned with the part, and read by whichever process
ingests it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from emo8.sources.base import Candidate, Chunk, from_bytes
from emo8.sources.claims import Claims
from emo8.sources.kinds import urls
from emo8.web.download_log import SUFFIX, read_picture

TABLE = pa.schema(
    [
        ("file", pa.string()),  # a pack or an earlier part of rows/, below the build; or null
        ("place", pa.int64()),  # offset in the pack, or row of the part
        ("size", pa.int64()),  # bytes, in a pack
        ("reason", pa.string()),
        ("cause", pa.string()),
        ("value", pa.float64()),
    ]
)


def candidates(chunk: Chunk, found: Path, build: Path, max_bytes: int) -> Iterator[Candidate]:
    """One candidate per line of the list, in the list's order, whatever order they came in."""
    rows = pq.read_table(found, schema=TABLE).to_pylist()
    earlier = _from_parts(rows, build)
    for line, row in zip(urls.lines(chunk), rows, strict=True):
        if line.damaged:
            yield Candidate(source_path=line.shown, reason="bad_row", detail=line.damaged)
            continue
        if row["reason"]:
            yield Candidate(
                source_path=line.shown,
                reason=row["reason"],
                value=row["value"],
                detail=row["cause"],
                # what is no address must not be published as one
                claims=line.claims if len(line.link) == len(line.shown) else _bare(line),
            )
            continue
        place = (row["file"], row["place"])
        if row["file"].endswith(SUFFIX):
            data = read_picture(build / row["file"], row["place"], row["size"])
        else:
            data = earlier[place]
        yield _checked(line, data, max_bytes)


def _from_parts(rows: Sequence[Mapping[str, Any]], build: Path) -> dict[tuple[str, int], bytes]:
    """The pictures that lie in earlier parts of rows/, by file and row.

    In a list that was reordered the links of one part lie in any number of earlier ones: each is
    read once, a row group at a time, and nothing is kept but the pictures asked for.
    """
    wanted: dict[str, list[int]] = {}
    for row in rows:
        if row["file"] and not row["file"].endswith(SUFFIX):
            wanted.setdefault(row["file"], []).append(row["place"])
    found: dict[tuple[str, int], bytes] = {}
    for name, places in sorted(wanted.items()):
        with pq.ParquetFile(build / name) as file:
            start = 0
            for group in range(file.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                inside = [place for place in places if start <= place < stop]
                if inside:
                    # in this thread: one of pyarrow's pool may hold what it read last
                    table = file.read_row_group(group, ["image.bytes"], use_threads=False)
                    images = table["image"]
                    found |= {(name, at): images[at - start]["bytes"].as_py() for at in inside}
                start = stop
    return found


def _checked(line: urls.Line, data: bytes, max_bytes: int) -> Candidate:
    if line.sha256 and hashlib.sha256(data).hexdigest() != line.sha256:
        return Candidate(
            source_path=line.shown,
            reason="fetch_failed",
            value=len(data),
            detail="hash_mismatch",
            claims=line.claims,
        )
    return from_bytes(line.shown, data, max_bytes, line.claims)


def _bare(line: urls.Line) -> Claims:
    return replace(line.claims, url=None)
