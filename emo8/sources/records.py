"""Lines of a table file as Arrow or dictionaries, with missing columns named.

JSON files are lists of objects, or EmoSet's lists of lists, whose columns are then called
`emotion`, `image`, `annotation` (and `image_id` where there are four).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.sources.base import no_style

SUFFIXES = (".parquet", ".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json")
_DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_EMOSET = {
    3: ("emotion", "image", "annotation"),
    4: ("emotion", "image_id", "image", "annotation"),
}


def column_names(path: Path, source_name: str) -> list[str]:
    """The columns of one table file; parquet reads only the footer."""
    if path.suffix == ".parquet":
        return list(_parquet(path, source_name).schema_arrow.names)
    return list(_whole_table(path, path.stat().st_mtime_ns, source_name).column_names)


def num_rows(path: Path, source_name: str) -> int:
    """The number of lines in one table file; parquet reads only the footer."""
    if path.suffix == ".parquet":
        return int(_parquet(path, source_name).metadata.num_rows)
    return int(_whole_table(path, path.stat().st_mtime_ns, source_name).num_rows)


def read_table(path: Path, source_name: str) -> pa.Table:
    """One whole table file as Arrow; SourceError names the file when it is damaged."""
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path)
        if path.suffix in _DELIMITERS:
            return _read_text(path, _DELIMITERS[path.suffix])
        if path.suffix in (".jsonl", ".ndjson"):
            return pa.json.read_json(path)
        if path.suffix == ".json":
            return _read_json_list(path)
    except FileNotFoundError:
        raise SourceError(f"source {source_name!r}: no file {path}") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError(f"source {source_name!r}: cannot read {path}: {error}") from None
    raise SourceError(
        f"source {source_name!r}: {path} is no table this reads; use {', '.join(SUFFIXES)}"
    )


def _read_text(path: Path, delimiter: str) -> pa.Table:
    """Every column as text: a name or an id must not become a number."""
    options = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    names = pa.csv.read_csv(path, parse_options=options).column_names
    convert = pa.csv.ConvertOptions(
        column_types={name: pa.string() for name in names}, strings_can_be_null=True
    )
    return pa.csv.read_csv(path, parse_options=options, convert_options=convert)


def _read_json_list(path: Path) -> pa.Table:
    rows = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(rows, list) or not rows:
        raise ValueError("a JSON table is a list of objects or of lists")
    if all(isinstance(row, list) and len(row) in _EMOSET for row in rows):
        rows = [dict(zip(_EMOSET[len(row)], row, strict=True)) for row in rows]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("its rows are neither objects nor EmoSet's lists of three or four")
    return pa.Table.from_pylist(rows)


def slice_rows(path: Path, start: int, stop: int, columns: list[str], source_name: str) -> pa.Table:
    """Rows `start` to `stop` of a table file, read without holding much more than them."""
    if path.suffix != ".parquet":
        table = _whole_table(path, path.stat().st_mtime_ns, source_name)
        return table.select(columns).slice(start, stop - start)
    key = (path, path.stat().st_mtime_ns, tuple(columns), source_name)
    cursor = _cursor(*key)
    if start < cursor.position:
        _cursor.cache_clear()
        cursor = _cursor(*key)
    try:
        return cursor.read(start, stop)
    except (pa.ArrowException, OSError) as error:
        _cursor.cache_clear()
        raise SourceError(f"source {source_name!r}: cannot read {path}: {error}") from None


class _Cursor:
    """A place in a parquet file that only moves forward.

    Parts come in order, so every row group is decoded once in a process, as a stream of small
    batches: a file with one huge row group costs neither its size in memory nor a second reading.
    """

    BATCH_ROWS = 64

    def __init__(self, file: pq.ParquetFile, columns: list[str]) -> None:
        self.file, self.columns = file, columns
        self.position = 0  # rows before this cannot be had again
        self.waiting: list[pa.RecordBatch] = []  # rows from `position` on, already decoded
        self.batches: Iterator[pa.RecordBatch] = iter(())
        self.is_open = False

    def read(self, start: int, stop: int) -> pa.Table:
        """Rows `start` to `stop`; `start` must not lie before `position`."""
        if not self.is_open:
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
        return pa.Table.from_batches(pieces).select(self.columns)

    def _open_at(self, start: int) -> None:
        """Begin with the row group that holds row `start`."""
        groups = range(self.file.metadata.num_row_groups)
        first, skipped = 0, 0
        for group in groups:
            rows = self.file.metadata.row_group(group).num_rows
            if skipped + rows > start:
                break
            first, skipped = group + 1, skipped + rows
        self.position, self.is_open = skipped, True
        self.batches = self.file.iter_batches(
            self.BATCH_ROWS, row_groups=list(groups[first:]), columns=self.columns
        )


@functools.lru_cache(maxsize=1)
def _cursor(path: Path, changed: int, columns: tuple[str, ...], source_name: str) -> _Cursor:
    return _Cursor(_parquet(path, source_name, buffer_size=1 << 20), list(columns))


@functools.lru_cache(maxsize=2)
def _whole_table(path: Path, changed: int, source_name: str) -> pa.Table:
    """A text table kept in this process, so that its chunks do not each parse it again."""
    return read_table(path, source_name)


def read_records(
    path: Path, mapping: dict[str, str], *, required: tuple[str, ...], source: SourceConfig
) -> list[dict[str, Any]]:
    """All lines of a table file with our names for its columns; absent optional ones left out."""
    table = read_table(path, source.name)
    check_required(path, table.column_names, mapping, required, source)
    present = {ours: theirs for ours, theirs in mapping.items() if theirs in table.column_names}
    table = table.select(list(present.values())).rename_columns(list(present))
    return list(table.to_pylist())


def map_columns(
    path: Path, found: Sequence[str], source: SourceConfig, ours: Sequence[str], needed: str
) -> dict[str, str]:
    """Our names to those of the columns a table really has; SourceError names what it lacks.

    `needed` and every column that the recipe names must be there. `style_from` and `emotion_from`
    name columns, whatever they say: lines of a table lie in no folder.
    """
    wanted = {name: source.columns.get(name, name) for name in ours}
    required = [needed, *source.columns]
    for name, option in (("style", source.style_from), ("emotion", source.emotion_from)):
        if option:
            wanted[name] = option
            required.append(name)
    check_required(path, found, wanted, required, source)
    mapping = {name: theirs for name, theirs in wanted.items() if theirs in found}
    if "style" not in mapping and not source.style:
        raise no_style(source)
    return mapping


def check_required(
    path: Path,
    found: Sequence[str],
    mapping: dict[str, str],
    required: Sequence[str],
    source: SourceConfig,
) -> None:
    """Raise SourceError naming the file, the missing column and the columns it has."""
    for name in required:
        if mapping[name] in found:
            continue
        said = f"source {source.name!r}: {path} has no column {mapping[name]!r} (for {name}); "
        said += f"it has {', '.join(found)}. "
        if getattr(source, f"{name}_from", "") == mapping[name]:
            raise SourceError(f"{said}Here {name}_from names a column: give it one of these")
        raise SourceError(f'{said}Map it with columns = {{ {name} = "…" }}')


def _parquet(path: Path, source_name: str, buffer_size: int = 0) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, buffer_size=buffer_size)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"source {source_name!r}: cannot read {path}: {error}") from None
