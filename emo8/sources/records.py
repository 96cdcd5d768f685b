"""Lines of a CSV, JSONL or parquet file as dictionaries, with missing columns named."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from emo8.errors import SourceError

SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson")


def column_names(path: Path, source_name: str) -> list[str]:
    """The columns of one table file; parquet reads only the footer."""
    if path.suffix == ".parquet":
        return list(_parquet(path, source_name).schema_arrow.names)
    return list(read_table(path, source_name).column_names)


def num_rows(path: Path, source_name: str) -> int:
    """The number of lines in one table file; parquet reads only the footer."""
    if path.suffix == ".parquet":
        return int(_parquet(path, source_name).metadata.num_rows)
    return int(read_table(path, source_name).num_rows)


def read_table(path: Path, source_name: str, columns: list[str] | None = None) -> pa.Table:
    """One whole table file as Arrow; SourceError names the file when it is damaged."""
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path, columns=columns)
        if path.suffix in (".csv", ".tsv"):
            delimiter = "\t" if path.suffix == ".tsv" else ","
            # every column as text: a name or an id must not become a number
            options = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
            names = pa.csv.read_csv(path, parse_options=options).column_names
            convert = pa.csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=True
            )
            return pa.csv.read_csv(path, parse_options=options, convert_options=convert)
        if path.suffix in (".jsonl", ".ndjson"):
            return pa.json.read_json(path)
    except FileNotFoundError:
        raise SourceError(f"source {source_name!r}: no file {path}") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"source {source_name!r}: cannot read {path}: {error}") from None
    raise SourceError(
        f"source {source_name!r}: {path} is no table this reads; use {', '.join(SUFFIXES)}"
    )


def slice_rows(path: Path, start: int, stop: int, columns: list[str], source_name: str) -> pa.Table:
    """Rows `start` to `stop` of a table file; parquet touches only the row groups needed."""
    if path.suffix != ".parquet":
        return _whole_table(path, source_name).select(columns).slice(start, stop - start)
    file = _parquet(path, source_name)
    pieces, first = [], 0
    for group in range(file.metadata.num_row_groups):
        last = first + file.metadata.row_group(group).num_rows
        if first < stop and last > start:
            piece = file.read_row_group(group, columns=columns)
            low, high = max(start, first) - first, min(stop, last) - first
            pieces.append(piece.slice(low, high - low))
        first = last
    return pa.concat_tables(pieces)


@functools.lru_cache(maxsize=2)
def _whole_table(path: Path, source_name: str) -> pa.Table:
    """A text table kept in this process, so that its chunks do not each parse it again."""
    return read_table(path, source_name)


def read_records(
    path: Path, mapping: dict[str, str], *, required: tuple[str, ...], source_name: str
) -> list[dict[str, Any]]:
    """All lines of a table file with our names for its columns; absent optional ones left out."""
    table = read_table(path, source_name)
    check_required(path, table.column_names, mapping, required, source_name)
    present = {ours: theirs for ours, theirs in mapping.items() if theirs in table.column_names}
    table = table.select(list(present.values())).rename_columns(list(present))
    return list(table.to_pylist())


def check_required(
    path: Path,
    found: list[str],
    mapping: dict[str, str],
    required: tuple[str, ...],
    source_name: str,
) -> None:
    """Raise SourceError naming the file, the missing column and the columns it has."""
    for ours in required:
        if mapping[ours] not in found:
            raise SourceError(
                f"source {source_name!r}: {path} has no column {mapping[ours]!r} (for {ours}); "
                f'it has {", ".join(found)}. Map it with columns = {{ {ours} = "…" }}'
            )


def _parquet(path: Path, source_name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"source {source_name!r}: cannot read {path}: {error}") from None
