"""Text tables as programs write them: delimiter, encoding and quoting are found out, not asked for.

Excel writes semicolons where the decimal mark is a comma, a byte order mark before UTF-8, UTF-16
with tabs as "Unicode text", and `sep=;` as a first line. Tab-separated files mostly know no
quoting: a caption that begins with a quotation mark must not swallow the lines behind it.
"""

from __future__ import annotations

import csv
import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from emo8.core.errors import TableError

_HEAD_BYTES = 1 << 20  # of a file, from which its form is guessed
_HEAD_LINES = 200
_BLOCK_BYTES = 16 << 20  # no row may be longer
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_HINT = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)  # Excel's own first line
_QUOTED_CELL = re.compile(rb'(?:^|\t)"(?:[^"\n]|"")*"(?=\t|\r?$)', re.MULTILINE)
_QUOTE_AT_START = re.compile(rb'(?:^|\t)"', re.MULTILINE)


def encoding_of(head: bytes) -> str:
    """The encoding that a text's first bytes show; UTF-8 where they show none."""
    for mark, name in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return name
    if b"\x00" in head[:2]:  # UTF-16 without a mark: one byte of an ASCII letter is zero
        return "utf-16-be" if head[:1] == b"\x00" else "utf-16-le"
    return "utf-8"


def decode_text(data: bytes) -> str:
    """`data` as text in the encoding that it shows; ValueError where it is none."""
    return data.decode(encoding_of(data[:4]))


class TextRows:
    """A CSV or TSV file; a row with more or fewer cells than the heading is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.stat().st_size:
            raise TableError(f"{path} is empty: a table begins with a heading")
        parsed = _parse_as_written(path)
        heading = [column[0].as_py() or b"" for column in parsed.table.columns]
        self.columns = tuple(cell.decode("utf-8", "replace").strip() for cell in heading)
        self.damaged = parsed.damaged
        self.label_names: dict[str, list[str]] = {}
        self._table = _with_gaps(parsed.table.slice(1), sorted(self.damaged))

    @property
    def num_rows(self) -> int:
        return int(self._table.num_rows)

    def rows(self, start: int, stop: int, columns: Sequence[str]) -> list[dict[str, Any]]:
        part = self._table.slice(start, stop - start)
        cells: dict[str, list[str | None]] = {}
        for name in dict.fromkeys(columns):
            column = part.column(self._number(name))
            try:
                cells[name] = pc.cast(column, pa.string()).to_pylist()
            except pa.ArrowInvalid:
                cells[name] = self._decoded(column, name, start)
        lines = zip(*cells.values(), strict=True) if cells else [()] * part.num_rows
        return [dict(zip(cells, line, strict=True)) for line in lines]

    def _number(self, name: str) -> int:
        if self.columns.count(name) > 1:
            raise TableError(f"{self.path}: the column {name!r} stands twice in the heading")
        return self.columns.index(name)

    def _decoded(self, column: pa.ChunkedArray, name: str, start: int) -> list[str | None]:
        """The cells of a column where some are not UTF-8: those are None, and their row damaged."""
        found: list[str | None] = []
        for number, cell in enumerate(column.to_pylist(), start=start):
            try:
                found.append(None if cell is None else cell.decode())
            except UnicodeDecodeError:
                found.append(None)
                self.damaged[number] = f"{name} is not UTF-8: save the file as UTF-8"
        return found


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How a text table is written."""

    encoding: str
    delimiter: str
    quoted: bool
    skipped_lines: int  # in front of the heading


@dataclass(frozen=True, kw_only=True)
class _Parsed:
    """A text table read in one form."""

    table: pa.Table  # cells as bytes, the heading as the first row, ragged rows left out
    damaged: dict[int, str]  # number of a ragged row, and what is wrong with it


def _parse_as_written(path: Path) -> _Parsed:
    """The table in the form that it is written in.

    Quotation marks around cells belong to the form unless rows come out whole only without them. In
    a tab-separated file in which every line has all its cells, a mark that is not closed within its
    cell belongs to the text.
    """
    form = _form(path)
    plain_form = dataclasses.replace(form, quoted=False)
    if not _holds(path, '"'.encode("utf-16-le" if "16" in form.encoding else "utf-8")):
        return _parse(path, plain_form)
    try:
        quoted = _parse(path, form)
    except pa.ArrowException:  # a mark that is never closed
        return _parse(path, plain_form)
    if not quoted.damaged and form.delimiter != "\t":
        return quoted
    plain = _parse(path, plain_form)
    if len(plain.damaged) != len(quoted.damaged):
        return min(quoted, plain, key=lambda parsed: len(parsed.damaged))
    if plain.table.num_rows != quoted.table.num_rows:
        return plain
    data = path.read_bytes().decode(form.encoding, "replace").encode()
    closed = len(_QUOTED_CELL.findall(data)) == len(_QUOTE_AT_START.findall(data))
    return quoted if closed else plain


def _parse(path: Path, form: _Form) -> _Parsed:
    width = 1 + max(line.count(form.delimiter) for line in _head(path, form.encoding))
    damaged: dict[int, str] = {}

    def ragged(row: Any) -> str:
        number = row.number - 2 - form.skipped_lines  # it counts from 1, and the heading too
        damaged[number] = f"{row.actual_columns} of {row.expected_columns} cells"
        return "skip"

    table = pa.csv.read_csv(
        path,
        read_options=pa.csv.ReadOptions(
            use_threads=False,  # so that the handler is told the number of a row
            block_size=_BLOCK_BYTES,
            encoding="utf8" if form.encoding.startswith("utf-8") else form.encoding,
            skip_rows=form.skipped_lines,
            autogenerate_column_names=True,
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=form.delimiter,
            quote_char='"' if form.quoted else False,
            newlines_in_values=form.quoted,
            invalid_row_handler=ragged,
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types={f"f{number}": pa.binary() for number in range(width)},
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    return _Parsed(table=table, damaged=damaged)


def _with_gaps(table: pa.Table, gaps: list[int]) -> pa.Table:
    """`table` with a row of nulls at each of the numbers `gaps`, which are those of the result."""
    pieces, taken = [], 0
    empty = pa.table({name: pa.nulls(1, pa.binary()) for name in table.column_names})
    for done, gap in enumerate(gaps):
        pieces += [table.slice(taken, gap - done - taken), empty]
        taken = gap - done
    return pa.concat_tables([*pieces, table.slice(taken)]) if gaps else table


def _head(path: Path, encoding: str) -> list[str]:
    """The first lines of a text file."""
    with path.open("rb") as file:
        data = file.read(_HEAD_BYTES)
    lines = data.decode(encoding, "replace").splitlines(keepends=True)
    whole = lines if len(data) < _HEAD_BYTES else lines[:-1]
    return whole[:_HEAD_LINES]


def _form(path: Path) -> _Form:
    with path.open("rb") as file:
        encoding = encoding_of(file.read(4))
    lines = _head(path, encoding)
    hint = _HINT.fullmatch(lines[0])
    preferred = "," if path.suffix.lower() == ".csv" else "\t"
    return _Form(
        encoding=encoding,
        delimiter=hint[1] if hint else _delimiter(lines, preferred),
        quoted=True,
        skipped_lines=1 if hint else 0,
    )


def _delimiter(lines: list[str], preferred: str) -> str:
    """The character that cuts the first rows into most cells, in each row as many."""
    best, most = preferred, (0.0, 0)
    for delimiter in sorted({preferred, ",", ";", "\t", "|"}, key=lambda d: d != preferred):
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        if not widths or widths[0] == 1:
            continue
        score = (Counter(widths)[widths[0]] / len(widths), widths[0])
        if score > most:
            best, most = delimiter, score
    return best


def _holds(path: Path, word: bytes) -> bool:
    with path.open("rb") as file:
        while block := file.read(_HEAD_BYTES):
            if word in block:
                return True
    return False
