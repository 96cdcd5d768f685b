"""Table files as people really write them: parquet, CSV, TSV, JSON lists and JSON lines.

The one reader of tables: of pictures, of links, of votes, of sidecars. A row is a dictionary; a row
that cannot be understood costs that row and not the file; a column is looked at only when somebody
asks for it, so that an odd value in another one harms nobody.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from emo8.core.errors import TableError
from emo8.core.json_text import parse_json
from emo8.core.parquet_rows import ParquetRows
from emo8.core.text_tables import TextRows, decode_text

SUFFIXES = (".parquet", ".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json")
_SHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
# EmoSet's lists of lists have no heading; these are the names its columns get.
_EMOSET = {
    3: ("emotion", "image", "annotation"),
    4: ("emotion", "image_id", "image", "annotation"),
}


class TableFile(Protocol):
    """One table file, opened."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names in its heading, in order; a name may stand there twice."""

    @property
    def num_rows(self) -> int: ...

    @property
    def damaged(self) -> dict[int, str]:
        """Rows that cannot be understood, by number from 0, and why; their cells are null."""

    @property
    def label_names(self) -> dict[str, list[str]]:
        """Columns of class numbers whose names the file brings, and the names."""

    def rows(self, start: int, stop: int, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Rows `start` to `stop`; TableError where a cell of `columns` cannot be read.

        Cells of text files are text, or None where nothing stands. Class numbers whose names the
        file brings are those names, and None where they are no label (-1).
        """


def open_table(path: Path) -> TableFile:
    """The table in `path`, kept for the next call; TableError names the file and what to do."""
    try:
        status = path.stat()
        return _opened(path, status.st_size, status.st_mtime_ns)
    except FileNotFoundError:
        raise TableError(f"no file {path}") from None
    except TableError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableError(f"cannot read {path}: {error}") from None


def all_rows(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Every row of a table file, of all columns unless some are named."""
    table = open_table(path)
    return table.rows(0, table.num_rows, table.columns if columns is None else columns)


@functools.lru_cache(maxsize=2)
def _opened(path: Path, size: int, changed: int) -> TableFile:
    """Kept in this process, so that the chunks of a text table do not each parse it again."""
    suffix = path.suffix.lower()
    if suffix in _SHEETS:
        raise TableError(f"{path} is a spreadsheet: save it as CSV (UTF-8) and give that file")
    if suffix not in SUFFIXES:
        raise TableError(f"{path} is no table this reads; use {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise TableError(f"{path} is not a plain file")
    if suffix == ".parquet":
        return ParquetRows(path)
    if suffix == ".json":
        return _json_list(path)
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(path)
    return TextRows(path)


class _JsonRows:
    """Rows of a JSON file, each kept as it stands there until it is asked for."""

    def __init__(self, rows: Sequence[Any], parse: Callable[[Any], Any]) -> None:
        self._rows, self._parse = rows, parse
        self.damaged: dict[int, str] = {}
        self.label_names: dict[str, list[str]] = {}
        names: dict[str, None] = {}
        for number in range(len(rows)):
            try:
                names |= dict.fromkeys(self._row(number))
            except ValueError as error:
                self.damaged[number] = _cause(error)
        if self.damaged and len(self.damaged) == len(rows):
            raise ValueError(f"every row of it is damaged, the first one: {self.damaged[0]}")
        self.columns = tuple(names)

    @property
    def num_rows(self) -> int:
        return len(self._rows)

    def rows(self, start: int, stop: int, columns: Sequence[str]) -> list[dict[str, Any]]:
        found = []
        for number in range(start, min(stop, self.num_rows)):
            row = {} if number in self.damaged else self._row(number)
            found.append({name: row.get(name) for name in columns})
        return found

    def _row(self, number: int) -> dict[str, Any]:
        row = self._parse(self._rows[number])
        if isinstance(row, list) and len(row) in _EMOSET:
            row = dict(zip(_EMOSET[len(row)], row, strict=True))
        if not isinstance(row, dict):
            raise ValueError("neither an object nor EmoSet's list of three or four")
        return row


def _json_list(path: Path) -> _JsonRows:
    rows = parse_json(decode_text(path.read_bytes()))
    if not isinstance(rows, list) or not rows:
        raise ValueError("a JSON table is a list of objects or of lists")
    return _JsonRows(rows, lambda row: row)


def _json_lines(path: Path) -> _JsonRows:
    """One object per line, kept as bytes: a million dictionaries would take gigabytes."""
    lines = pa.array(_lines(path), pa.binary())
    return _JsonRows(lines, lambda line: parse_json(line.as_py()))


def _lines(path: Path) -> Iterator[bytes]:
    if path.open("rb").read(2) in (b"\xff\xfe", b"\xfe\xff"):
        lines = decode_text(path.read_bytes()).split("\n")
        yield from (line.encode() for line in lines if line.strip())
        return
    with path.open("rb") as file:
        for line in file:
            if line := line.removeprefix(b"\xef\xbb\xbf").strip():
                yield line


def _cause(error: ValueError) -> str:
    return f"no JSON object: {error}" if isinstance(error, json.JSONDecodeError) else str(error)
