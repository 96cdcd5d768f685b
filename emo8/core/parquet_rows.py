"""Rows of a parquet file, forwards, with class numbers as the names that the file brings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.errors import TableError
from emo8.core.json_text import parse_json
from emo8.core.taxonomy import class_name


class ParquetRows:
    """One parquet file; only its footer is read until rows are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        file = _open(path)
        self.columns = tuple(file.schema_arrow.names)
        self.num_rows = int(file.metadata.num_rows)
        self.damaged: dict[int, str] = {}
        self.label_names = label_names(file.schema_arrow)
        self._cursor: _Cursor | None = None

    def rows(self, start: int, stop: int, columns: Sequence[str]) -> list[dict[str, Any]]:
        for name in columns:
            if self.columns.count(name) > 1:
                raise TableError(f"{self.path} has two columns {name!r}")
        try:
            found: list[dict[str, Any]] = self._batches(columns).read(start, stop).to_pylist()
        except (pa.ArrowException, OSError) as error:
            self._cursor = None
            raise TableError(f"cannot read {self.path}: {error}") from None
        for name in self.label_names.keys() & set(columns):
            names = self.label_names[name]
            for row in found:
                row[name] = class_name(row[name], names)
        return found

    def _batches(self, columns: Sequence[str]) -> _Cursor:
        if self._cursor is None or self._cursor.columns != list(columns):
            self._cursor = _Cursor(self.path, list(columns))
        return self._cursor


def label_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Column -> names of its classes, as `datasets` writes them into the metadata of a file."""
    try:
        content = parse_json((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = content["info"]["features"]
        return {
            column: [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if isinstance(feature, dict) and isinstance(feature.get("names"), list)
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


class _Cursor:
    """A place in a parquet file that only moves forward.

    Parts come in order, so every row group is decoded once in a process, as a stream of small
    batches: a file with one huge row group costs neither its size in memory nor a second reading.
    """

    BATCH_ROWS = 64

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path, self.columns = path, columns
        self._close()

    def _close(self) -> None:
        self.file: pq.ParquetFile | None = None
        self.position = 0  # rows before this cannot be had again
        self.waiting: list[pa.RecordBatch] = []  # rows from `position` on, already decoded
        self.batches: Iterator[pa.RecordBatch] = iter(())

    def read(self, start: int, stop: int) -> pa.Table:
        """Rows `start` to `stop`."""
        if self.file is None or start < self.position:
            self._open_at(start)
        pieces: list[pa.RecordBatch] = []
        while self.position < stop:
            batch = self.waiting.pop() if self.waiting else next(self.batches, None)
            if batch is None:
                break
            low = max(start - self.position, 0)
            high = min(stop - self.position, batch.num_rows)
            if low < high:
                pieces.append(batch.slice(low, high - low))
            if high < batch.num_rows:
                self.waiting.append(batch.slice(high))
            self.position += high
        if not pieces:
            return pa.table({name: [] for name in self.columns})
        return pa.Table.from_batches(pieces).select(self.columns)

    def _open_at(self, start: int) -> None:
        """Begin with the row group that holds row `start`."""
        self._close()
        self.file = _open(self.path, buffer_size=1 << 20)
        groups = range(self.file.metadata.num_row_groups)
        first, skipped = 0, 0
        for group in groups:
            rows = self.file.metadata.row_group(group).num_rows
            if skipped + rows > start:
                break
            first, skipped = group + 1, skipped + rows
        self.position = skipped
        self.batches = self.file.iter_batches(
            self.BATCH_ROWS, row_groups=list(groups[first:]), columns=self.columns
        )


def _open(path: Path, buffer_size: int = 0) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, buffer_size=buffer_size)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"cannot read {path}: {error}") from None
