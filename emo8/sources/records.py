"""Lines of a source's table under our names for its columns, with missing columns named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emo8.core.errors import SourceError, TableError
from emo8.core.settings import SourceConfig
from emo8.core.table_files import TableFile, open_table
from emo8.sources.base import no_style
from emo8.sources.claims import parse_split, stem_split

_READ_ROWS = 4096  # of a narrow column at once


@dataclass(frozen=True, kw_only=True)
class Record:
    """One line of a table."""

    number: int  # from 0
    values: dict[str, Any]  # our name -> what the line says
    damaged: str | None  # why the line cannot be understood; then it says nothing


def open_list(path: Path, source: SourceConfig) -> TableFile:
    """The table in `path`; SourceError names source and file."""
    with _named(source):
        return open_table(path)


def read(
    path: Path, start: int, stop: int, mapping: dict[str, str], source: SourceConfig
) -> list[Record]:
    """Lines `start` to `stop` of a table under our names (the keys of `mapping`)."""
    with _named(source):
        table = open_table(path)
        rows = table.rows(start, stop, list(mapping.values()))
    return [
        Record(
            number=number,
            values={ours: row[theirs] for ours, theirs in mapping.items()},
            damaged=table.damaged.get(number),
        )
        for number, row in enumerate(rows, start=start)
    ]


def read_all(
    path: Path, mapping: dict[str, str], *, required: tuple[str, ...], source: SourceConfig
) -> list[Record]:
    """All lines of a table file; columns that it lacks and nobody requires are left out."""
    table = open_list(path, source)
    check_required(path, table.columns, mapping, required, source)
    present = {ours: theirs for ours, theirs in mapping.items() if theirs in table.columns}
    return read(path, 0, table.num_rows, present, source)


def whose(mapping: Mapping[str, str], label_names: Mapping[str, Any]) -> dict[str, str]:
    """For each of our names, whose word the claim is: "column mood"."""
    return {
        ours: f"column {theirs}"
        + (", class numbers by the file's own names" if theirs in label_names else "")
        for ours, theirs in mapping.items()
    }


def check_splits(
    path: Path, table: TableFile, mapping: dict[str, str], source: SourceConfig
) -> None:
    """Raise SourceError where splits are to be kept and a row, or the file's name, names none.

    It says the line to write for a name that means nothing here.
    """
    if not source.keep_splits:
        return
    if "split" not in mapping:
        if stem_split(path, source) is None:
            raise SourceError(
                f"source {source.name!r}: keep_splits is set, but {path} has no column split and "
                f"its name begins with none; write splits = {{ {json.dumps(path.stem)} = "
                '"train" } in the source, or the split that it is'
            )
        return
    for start in range(0, table.num_rows, _READ_ROWS):
        column = {"split": mapping["split"]}
        words = {
            str(record.values["split"]).strip()
            for record in read(path, start, start + _READ_ROWS, column, source)
            if record.values["split"] not in (None, "")
        }
        for word in sorted(words):
            try:
                parse_split(word, source.splits)
            except ValueError as error:
                raise SourceError(f"source {source.name!r}: {path}: {error}") from None


@contextmanager
def _named(source: SourceConfig) -> Iterator[None]:
    try:
        yield
    except TableError as error:
        raise SourceError(f"source {source.name!r}: {error}") from None


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
