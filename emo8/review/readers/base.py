"""What every reader gets, and what it gives: one line of texts per answer, with its place."""

from __future__ import annotations

import datetime
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from emo8.core.errors import Emo8Error, TableError
from emo8.core.json_text import parse_json
from emo8.core.table_files import open_table
from emo8.core.text_tables import decode_text, encoding_of
from emo8.review import workbook
from emo8.review.find_rows import PictureIndex
from emo8.review.words import Words

Line = dict[str, str]  # our columns as texts; what is absent or "" was not said
_CHUNK = 10_000  # rows turned into texts at once
MAX_BYTES = 1_000_000_000  # of a vote file, unpacked


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The answers that a file holds."""

    lines: Iterator[tuple[str, Line]]  # the place of each in the file, and what it says
    used: dict[str, str] = field(default_factory=dict)  # theirs -> ours
    unused: list[str] = field(default_factory=list)  # columns that no vote is made of
    passed_over: Counter[str] = field(default_factory=Counter)  # what -> how many; filled by lines
    asks: bool = False  # every line proposes an emotion and asks for yes or no


@dataclass(frozen=True, kw_only=True)
class VoteFile:
    """A file with votes and what the user said about it; its content is parsed once."""

    path: Path
    pictures: PictureIndex
    words: Words
    annotator: str = ""  # who voted, where nothing says
    columns: dict[str, str] = field(default_factory=dict)  # ours -> theirs, by the user
    damaged: dict[int, str] = field(default_factory=dict)  # rows of the table, once it is read

    @cached_property
    def content(self) -> bytes:
        """The bytes of the file; of a zip, those of the one export in it."""
        if self.path.exists() and not self.path.is_file():
            raise self.unreadable("no plain file")
        try:
            if not zipfile.is_zipfile(self.path) or self.path.suffix.lower() != ".zip":
                if self.path.stat().st_size > MAX_BYTES:
                    raise self.unreadable(f"more than {MAX_BYTES} bytes")
                return self.path.read_bytes()
            with zipfile.ZipFile(self.path) as archive:
                names = [
                    info
                    for info in archive.infolist()
                    if info.filename.lower().endswith((".xml", ".json", ".jsonl", ".csv"))
                ]
                if len(names) != 1:
                    raise self.unreadable(
                        f"{len(names)} exports in the zip; unpack it and give one"
                    )
                if names[0].file_size > MAX_BYTES:
                    raise self.unreadable(f"more than {MAX_BYTES} bytes")
                return archive.read(names[0])
        except FileNotFoundError:
            raise Emo8Error(f"no vote file at {self.path}") from None
        except (OSError, zipfile.BadZipFile, RuntimeError) as error:
            raise self.unreadable(error) from None

    @cached_property
    def head(self) -> str:
        """The first characters of a text file, without blanks before them; "" for other files."""
        start = self.content[:4096]
        return start.decode(encoding_of(start[:4]), "replace").lstrip("\ufeff \t\r\n")

    @cached_property
    def json(self) -> Any:
        """The JSON value in the file, a list for JSON lines; None for what is no JSON."""
        if self.head[:1] not in ("{", "["):
            return None
        try:
            whole = decode_text(self.content).lstrip("\ufeff")
        except ValueError as error:
            raise self.unreadable(error) from None
        try:
            value = parse_json(whole)
            return [value] if self.path.suffix in (".jsonl", ".ndjson") else value
        except ValueError as error:
            if self.head[:1] == "[":
                raise self.unreadable(error) from None
        try:
            return [parse_json(line) for line in whole.splitlines() if line.strip()]
        except ValueError as error:
            raise self.unreadable(error) from None

    @property
    def records(self) -> list[dict[str, Any]]:
        """The objects of a JSON list or JSON lines; empty for everything else."""
        value = self.json
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            return value
        return []

    @cached_property
    def table(self) -> dict[str, list[str]] | None:
        """Columns of a table as texts, in the file's order; None for what is no table."""
        if self.head[:1] in ("{", "[", "<"):
            return columns_of(self.records) if self.records else None
        if self.path.suffix.lower() in workbook.SUFFIXES:
            return workbook.read(self.path)
        try:
            opened = open_table(self.path)
            if twice := [name for name, n in Counter(opened.columns).items() if n > 1]:
                raise self.unreadable(f"the column {twice[0]!r} stands twice in the heading")
            columns: dict[str, list[str]] = {name: [] for name in opened.columns}
            known: dict[str, str] = {}  # one object for equal texts: most repeat
            for start in range(0, opened.num_rows, _CHUNK):
                for row in opened.rows(start, start + _CHUNK, opened.columns):
                    for name, values in columns.items():
                        cell = text(row[name])
                        values.append(known.setdefault(cell, cell))
        except TableError as error:
            raise self.unreadable(error) from None
        self.damaged.update(opened.damaged)
        return columns

    @property
    def header(self) -> tuple[str, ...]:
        """The column names of a table; empty for what is none."""
        return tuple(self.table or ())

    @property
    def is_lines(self) -> bool:
        """Whether the records stand one on a line, without a header."""
        return self.head[:1] == "{"

    def unreadable(self, why: object) -> Emo8Error:
        return Emo8Error(f"vote file {self.path} cannot be read: {why}")


def columns_of(records: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Objects as columns of texts, with every key that any of them has."""
    names = dict.fromkeys(key for record in records for key in record)
    return {str(name): [text(record.get(name)) for record in records] for name in names}


def text(value: Any) -> str:
    """One value as a cell shows it: 1.0 is 1, a list or object is JSON."""
    if isinstance(value, str):
        return value.strip()
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value).strip()


def lines_of(columns: dict[str, list[str]]) -> Iterator[Line]:
    """Columns of equal length, line by line."""
    names = list(columns)
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(names, values))
