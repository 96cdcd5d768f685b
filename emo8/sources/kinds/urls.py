"""Lists of links (CSV, JSONL, parquet; one file or a glob): pictures that lie on the web.

Planning reads the list and nothing else. What the links lead to is fetched by
`emo8/web/build_fetch.py` before a chunk is read; every line of the list ends as
a row or as a reason, whatever it holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emo8.core.settings import SourceConfig
from emo8.sources import records
from emo8.sources.base import (
    Candidate,
    Chunk,
    check_columns,
    common_root,
    listed_files,
)
from emo8.sources.claims import CLAIM_COLUMNS, Claims, claims_from, stem_split
from emo8.sources.cut import Cutter

URL_COLUMNS = (*CLAIM_COLUMNS, "sha256")
_READ_LINES = 4096  # links in memory at a time
MAX_SHOWN_CHARS = 2000  # of a link in our tables; longer ones are no addresses


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a list."""

    link: str  # as the list has it; "" where it has none
    claims: Claims
    sha256: str | None  # what the picture's bytes must hash to, where the list says so
    damaged: str | None = None  # why the line cannot be understood; then it says nothing

    @property
    def shown(self) -> str:
        return self.link if len(self.link) <= MAX_SHOWN_CHARS else self.link[:MAX_SHOWN_CHARS] + "…"


def plan(source: SourceConfig, recipe_dir: Path, part_rows: int) -> Iterator[Chunk]:
    """Chunks of consecutive lines, file by file in sorted order; their stamp is their content."""
    check_columns(source, URL_COLUMNS)
    root, cutter = common_root(source, recipe_dir), Cutter(part_rows=part_rows)
    for path in listed_files(source, recipe_dir):
        table = records.open_list(path, source)
        mapping = records.map_columns(path, table.columns, source, URL_COLUMNS, "url")
        records.check_splits(path, table, mapping, source)
        for piece in cutter.by_name(_links(path, table.num_rows, mapping, source)):
            content = [
                {theirs: record.values[ours] for ours, theirs in mapping.items()}
                for record in records.read(path, piece.start, piece.stop, mapping, source)
            ]
            yield Chunk(
                source=source,
                root=str(root),
                items=((str(path.relative_to(root)), mapping),),
                num_inputs=len(content),
                stamp=(hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest(),),
                name=str(content[0][mapping["url"]]),
                span=(piece.start, piece.stop),
            )


def _links(path: Path, total: int, mapping: dict[str, str], source: SourceConfig) -> Iterator[str]:
    """Every link of a list."""
    column = {"url": mapping["url"]}
    for start in range(0, total, _READ_LINES):
        stop = min(start + _READ_LINES, total)
        for record in records.read(path, start, stop, column, source):
            yield str(record.values["url"])


def lines(chunk: Chunk) -> list[Line]:
    """The lines of a chunk, in order."""
    (name, mapping), source = chunk.items[0], chunk.source
    path = Path(chunk.root) / name
    split = stem_split(path, source) if "split" not in mapping else None
    whose = records.whose(mapping, records.open_list(path, source).label_names)
    found = []
    for record in records.read(path, *chunk.span, mapping, source):
        damaged = record.damaged
        try:
            claims = claims_from({"split": split, **record.values}, source, whose)
        except ValueError as error:
            claims, damaged = Claims(), str(error)
        digest = record.values.get("sha256")
        found.append(
            Line(
                link=claims.url or "",
                claims=claims,
                sha256=str(digest).strip().lower() or None if digest is not None else None,
                damaged=damaged,
            )
        )
    return found


def read(chunk: Chunk, max_bytes: int) -> Iterator[Candidate]:
    """Not without the web: `IngestTask` is given what was fetched."""
    raise AssertionError("links are read by emo8/web/fetched.py, after they were fetched")
