"""Parts on disk: parquet files that carry a fingerprint and appear only by atomic rename."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FINGERPRINT_KEY = b"emo8.fingerprint"


def fingerprint(*content: Any) -> str:
    """SHA-256 over JSON values: equal content gives an equal fingerprint on every machine."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def part_name(number: int) -> str:
    return f"part-{number:05d}.parquet"


def read_fingerprint(path: Path) -> str | None:
    """The fingerprint a part carries; None for a missing, truncated or foreign file."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return None
    value = metadata.get(FINGERPRINT_KEY)
    return value.decode() if value else None


def write_part(table: pa.Table, path: Path, fingerprint: str, **options: Any) -> None:
    """Write `table` with its fingerprint; the file appears whole or not at all."""
    metadata = {**(table.schema.metadata or {}), FINGERPRINT_KEY: fingerprint.encode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        pq.write_table(
            table.replace_schema_metadata(metadata), partial, compression="zstd", **options
        )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_columns(path: Path, columns: list[str]) -> pa.Table:
    """Some columns of one part, nothing else read from disk."""
    return pq.ParquetFile(path).read(columns=columns)
