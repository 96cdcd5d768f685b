"""Ingest: one chunk of a source becomes one part of `rows/`, every input a line."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from emo8 import sources
from emo8.core import schema
from emo8.engine.files import fingerprint, write_part
from emo8.engine.steps import ROWS, part_path
from emo8.sources.base import Candidate, Chunk
from emo8.web import fetched

VERSION = 3


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
        records = [_record(candidate, self.chunk.source.name) for candidate in candidates]
        table = pa.Table.from_pylist(records, schema=schema.ROWS)
        table = table.replace_schema_metadata(self.notes)
        # Pictures are compressed already; small row groups keep column reads cheap in memory.
        write_part(table, part_path(self.build, ROWS, self.part), self.fingerprint)
        return table.num_rows


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
