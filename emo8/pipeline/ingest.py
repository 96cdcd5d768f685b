"""Ingest: one chunk of a source becomes one part of `rows/`, every input a line."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from emo8 import sources
from emo8.core import schema
from emo8.engine.files import fingerprint, part_writer
from emo8.engine.live import ticked
from emo8.engine.plan import Plan
from emo8.engine.steps import ROWS, earlier, part_path
from emo8.report import understood
from emo8.sources.base import Candidate, Chunk, show_path
from emo8.web import fetched

VERSION = 4
GROUP_BYTES = 64 << 20  # of pictures in a row group of a part
UNREAD = b"emo8.unread"  # in the metadata of a part: inputs that could not be read now

# What Arrow raises for a value that its type cannot hold.
_UNFIT = (pa.ArrowException, UnicodeError, OverflowError, TypeError, ValueError)


def chunk_fingerprint(chunk: Chunk, max_bytes: int) -> str:
    """Fingerprint of the part this chunk becomes."""
    return fingerprint(ROWS, VERSION, max_bytes, chunk.fingerprint())


@dataclass(frozen=True, kw_only=True)
class IngestTask:
    """Read one chunk and write it as rows: a unit of work like a step over a part."""

    chunk: Chunk
    max_bytes: int
    build: Path
    part: int
    fingerprint: str
    table: str = ROWS
    found: Path | None = None  # for links: where the table of what was fetched lies
    notes: dict[bytes, bytes] = field(default_factory=dict)  # further metadata of the part

    def setup(self) -> None:
        return None

    def run(self, state: Any) -> int:
        """Write the part; the number of rows comes back."""
        if self.found is None:
            candidates = sources.read(self.chunk, self.max_bytes)
        else:
            candidates = fetched.candidates(self.chunk, self.found, self.build, self.max_bytes)
        notes: understood.Notes = Counter()
        unread = num_rows = 0
        path = part_path(self.build, ROWS, self.part)
        with part_writer(schema.ROWS, path, self.fingerprint) as writer:
            for records in self._groups(ticked(candidates), notes):
                unread += sum(record["ingest_reason"] == "unreachable" for record in records)
                num_rows += len(records)
                writer.write_table(_table(records).cast(writer.schema))
            known = self.notes | understood.metadata(notes)
            if unread:
                known[UNREAD] = json.dumps({self.chunk.fingerprint(): unread}).encode()
            writer.add_key_value_metadata(known)
        return num_rows

    def _groups(
        self, candidates: Iterable[Candidate], notes: understood.Notes
    ) -> Iterator[list[dict[str, Any]]]:
        """The lines of the part in groups that fit into memory, whatever the part's size."""
        waiting, held = list[dict[str, Any]](), 0
        for candidate in candidates:
            notes.update(candidate.claims.notes)
            waiting.append(_record(candidate, self.chunk.source.name))
            held += len(candidate.data or b"")
            if held >= GROUP_BYTES:
                yield waiting
                waiting, held = [], 0
        if waiting:
            yield waiting


def _unread(path: Path) -> dict[str, int]:
    """Inputs of a part that could not be read when it was written, and may be now, by its chunk."""
    try:
        noted = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowException):  # not written, or damaged and soon written again
        return {}
    found = json.loads(noted.get(UNREAD, b"{}"))
    return found if isinstance(found, dict) else {}


def tries(previous: Plan | None, chunks: list[Chunk], build: Path) -> dict[str, int]:
    """How often each chunk is tried again, by its fingerprint: once more where inputs could not be
    read by the run before."""
    if previous is None:
        return {}
    again = dict(previous.tries)
    for chunk in _known_unread(previous, chunks, build):
        again[chunk] = again.get(chunk, 0) + 1
    return again


def still_unread(
    previous: Plan | None, ingested: Collection[int], *, chunks: list[Chunk], build: Path
) -> dict[str, int]:
    """Inputs that could not be read by chunk, after the parts `ingested` were written."""
    known = _known_unread(previous, chunks, build)
    for part in ingested:
        known.pop(chunks[part].fingerprint(), None)
        known |= _unread(part_path(build, ROWS, part))
    return known


def _known_unread(previous: Plan | None, chunks: list[Chunk], build: Path) -> dict[str, int]:
    """What the run before could not read, of the chunks that are still there."""
    if previous is None or previous.unread is None:  # none yet, or killed before it knew
        files = [*(build / ROWS).glob("part-*.parquet"), *earlier(build, ROWS).glob("*.parquet")]
        known = {chunk: count for path in files for chunk, count in _unread(path).items()}
    else:
        known = previous.unread
    own = {chunk.fingerprint() for chunk in chunks} if known else set()
    return {chunk: count for chunk, count in known.items() if chunk in own}


def _table(records: list[dict[str, Any]]) -> pa.Table:
    """The rows as a table; a row that Arrow cannot hold leaves with the cause, and alone."""
    try:
        return pa.Table.from_pylist(records, schema=schema.ROWS)
    except _UNFIT:
        return pa.concat_tables([_row(record) for record in records])


def _row(record: dict[str, Any]) -> pa.Table:
    try:
        return pa.Table.from_pylist([record], schema=schema.ROWS)
    except _UNFIT as error:
        cause = show_path(str(error)[:200])
        left = {"source": record["source"], "source_path": show_path(record["source_path"])}
        left |= {"ingest_reason": "bad_row", "ingest_detail": cause}
        return pa.Table.from_pylist([left], schema=schema.ROWS)


def _record(candidate: Candidate, source: str) -> dict[str, Any]:
    claims, data = candidate.claims, candidate.data
    return {
        "id": None if data is None else hashlib.sha256(data).hexdigest(),
        "image": None if data is None else {"bytes": data, "path": None},
        "source": source,
        "source_path": candidate.source_path,
        "source_url": claims.url,
        "caption": claims.caption,
        "style_source": claims.style,
        "emotion_source": claims.emotion,
        "license": claims.license,
        "attribution": claims.attribution,
        "split_source": claims.split,
        "people_source": claims.people,
        "ingest_reason": candidate.reason,
        "ingest_value": candidate.value,
        "ingest_detail": candidate.detail,
    }
