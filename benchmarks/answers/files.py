"""Tables of answers: CSV, JSON lines or parquet, one line per picture (and repeat).

| column | what it holds |
|---|---|
| id, or path | which picture: the dataset's id, or the picture's file as the dataset names it |
| answer | a word, several words (a list), a distribution (label -> share), or a free text |
| confidence | optional: how sure the model is of its answer, 0 to 1 |
| probs | optional: a share per label, as a dict or in the order of the labels |
| valence, arousal, dominance | numbers, in place of or beside an answer |
| repeat | optional: which of several askings; each picture once per repeat |
| options | optional: the labels in the order they were offered, for answers like "(b)" |

Other columns are ignored. A cell of a CSV may hold a list or dict as JSON.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emo8.core.errors import SourceError
from emo8.core.json_text import parse_json

PICTURE = ("id", "path")
SCALES = ("valence", "arousal", "dominance")
SAYS = ("answer", "probs", *SCALES)
_FORMS = (".csv", ".jsonl", ".ndjson", ".parquet")
MAX_BYTES = 4 << 30
_MAX_CELL = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One line of the table, as it stands there."""

    place: int  # number of the line, for messages
    key: str  # the picture
    repeat: int = 0
    answer: Any = None  # str, list, dict or None
    confidence: float | None = None
    probs: Any = None  # list, dict or None
    options: tuple[str, ...] = ()
    scales: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AnswerTable:
    """All lines of a file."""

    path: Path
    sha256: str
    answers: list[Answer]
    notes: tuple[str, ...]


def read(path: Path) -> AnswerTable:
    """The answers in a file; SourceError where it has no pictures, no answers, or one twice."""
    if not path.is_file():
        raise SourceError(f"{path}: no such file of answers.")
    if path.suffix.lower() not in _FORMS:
        raise SourceError(f"{path}: answers are read from {', '.join(_FORMS)}.")
    if path.stat().st_size > MAX_BYTES:
        raise SourceError(f"{path}: over {MAX_BYTES >> 30} GB, no table of answers.")
    lines = list(_lines(path))
    columns = dict.fromkeys(name for _, line in lines for name in line)
    _require(path, list(columns))
    key = next(name for name in PICTURE if name in columns)
    notes: dict[str, int] = {}
    answers = [a for place, line in lines if (a := _answer(place, line, key, notes, path))]
    seen: dict[tuple[str, int], int] = {}
    for one in answers:
        first = seen.setdefault((one.key, one.repeat), one.place)
        if first != one.place:
            raise SourceError(
                f"{path}, lines {first} and {one.place} both answer about {one.key!r}: keep one, "
                "or number several askings in a column `repeat`."
            )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    told = tuple(f"{count} lines {what}" for what, count in notes.items())
    return AnswerTable(path=path, sha256=digest, answers=answers, notes=told)


def _require(path: Path, columns: list[str]) -> None:
    found = f"Found: {', '.join(columns) or 'no lines'}."
    if not any(name in columns for name in PICTURE):
        raise SourceError(f"{path} has no column id or path, which names the picture. {found}")
    if not any(name in columns for name in SAYS):
        raise SourceError(f"{path} has no column {', '.join(SAYS[:-1])}: nothing to score. {found}")


def _lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(line number, columns) of a file, whatever its form."""
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            import pyarrow.parquet as pq

            yield from enumerate(pq.read_table(path).to_pylist(), start=1)
        elif kind == ".csv":
            csv.field_size_limit(_MAX_CELL)
            text = io.StringIO(path.read_text("utf-8-sig"), newline="")
            for place, line in enumerate(csv.DictReader(text, skipinitialspace=True), start=2):
                yield place, {k.strip(): v for k, v in line.items() if k is not None}
        else:
            yield from _json_lines(path)
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8 text: {error}.") from error
    except (OSError, csv.Error, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path} cannot be read: {error}") from error


def _json_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for place, text in enumerate(path.read_text("utf-8-sig").splitlines(), start=1):
        if not text.strip():
            continue
        try:
            line = parse_json(text)
        except ValueError as error:
            raise SourceError(f"{path}, line {place} is not JSON: {error}.") from error
        if not isinstance(line, dict):
            raise SourceError(f"{path}, line {place}: an object with id and answer is expected.")
        yield place, line


def _answer(
    place: int, line: Mapping[str, Any], key: str, notes: dict[str, int], path: Path
) -> Answer | None:
    """One line; None, and a note, where it names no picture."""
    picture = line.get(key)
    if picture is None or not str(picture).strip():
        _count(notes, "name no picture and are left out")
        return None
    sure = _number(line.get("confidence"))
    if sure is not None and not 0 <= sure <= 1:
        _count(notes, "have a confidence outside 0 to 1, which is left out; write shares")
        sure = None
    scales = {name: v for name in SCALES if (v := _number(line.get(name))) is not None}
    options = _opened(line.get("options"))
    return Answer(
        place=place,
        key=str(picture).strip(),
        repeat=_whole(line.get("repeat"), path, place),
        answer=_opened(line.get("answer")),
        confidence=sure,
        probs=_opened(line.get("probs")),
        options=tuple(map(str, options)) if isinstance(options, list) else (),
        scales=scales,
    )


def _opened(cell: Any) -> Any:
    """A cell, its JSON read where it is a list or dict of a text file."""
    if isinstance(cell, str) and cell.lstrip()[:1] in ("[", "{"):
        try:
            return parse_json(cell)
        except ValueError:
            return cell
    if isinstance(cell, float) and cell != cell:
        return None
    return cell


def _number(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if value == value and abs(value) != float("inf") else None


def _whole(cell: Any, path: Path, place: int) -> int:
    if cell is None or cell == "" or cell != cell:
        return 0
    try:
        return int(cell)
    except (TypeError, ValueError) as error:
        raise SourceError(f"{path}, line {place}: repeat {cell!r} is no whole number.") from error


def _count(notes: dict[str, int], what: str) -> None:
    notes[what] = notes.get(what, 0) + 1
