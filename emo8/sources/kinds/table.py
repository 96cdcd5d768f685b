"""Tables of pictures: parquet, CSV, JSONL or JSON lists, one file or a glob.

The image column holds bytes, a struct with `bytes` (the Hub's Image), or a path relative to the
table's own folder (or to `images` in it). Paths that lead outside that folder are refused. With
`keep_splits`, the split is a column, or the start of the file's name (`train.json`). In a table
that img2dataset wrote, the links that failed are no inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from emo8.core.settings import SourceConfig
from emo8.core.table_files import TableFile
from emo8.sources import img2dataset, records
from emo8.sources.base import (
    Candidate,
    Chunk,
    check_columns,
    common_root,
    from_cell,
    listed_files,
)
from emo8.sources.claims import TABLE_COLUMNS, claims_from, stem_split
from emo8.sources.cut import Cutter


def plan(source: SourceConfig, recipe_dir: Path, part_rows: int) -> Iterator[Chunk]:
    """Chunks of consecutive rows, file by file in sorted order."""
    check_columns(source, TABLE_COLUMNS)
    root, cutter = common_root(source, recipe_dir), Cutter(part_rows=part_rows)
    for path in listed_files(source, recipe_dir):
        table = records.open_list(path, source)
        rows, mapping = _inputs(path, table, source)
        records.check_splits(path, table, mapping, source)
        status, failed = path.stat(), table.num_rows - len(rows)
        notes = (("tables", "links that img2dataset could not fetch: no inputs", failed),)
        for piece in cutter.by_number(len(rows)):
            batch = rows[piece]
            yield Chunk(
                source=source,
                root=str(root),
                items=((str(path.relative_to(root)), batch[0], batch[-1] + 1, mapping),),
                num_inputs=len(batch),
                stamp=(status.st_size, status.st_mtime_ns),
                name=f"{path.name}#{batch[0]}",
                notes=notes if failed and not piece.start else (),
            )


def _inputs(
    path: Path, table: TableFile, source: SourceConfig
) -> tuple[Sequence[int], dict[str, str]]:
    """The numbers of the rows that are inputs, and our names for the columns."""
    if not img2dataset.wrote(table.columns):
        mapping = records.map_columns(path, table.columns, source, TABLE_COLUMNS, "image")
        return range(table.num_rows), mapping
    named = img2dataset.with_columns(source, table.columns)
    mapping = records.map_columns(path, table.columns, named, TABLE_COLUMNS, "image")
    extra = (name for name in (img2dataset.STATUS, img2dataset.EXIF) if name in table.columns)
    mapping |= {name: name for name in extra}
    column = {img2dataset.STATUS: img2dataset.STATUS}
    lines = records.read(path, 0, table.num_rows, column, source)
    return [line.number for line in lines if _arrived(line)], mapping


def _arrived(record: records.Record) -> bool:
    """Whether a row is an input; rows of other tables have no status."""
    status = record.values.get(img2dataset.STATUS, img2dataset.ARRIVED)
    return bool(status == img2dataset.ARRIVED)


def read(chunk: Chunk, max_bytes: int) -> Iterator[Candidate]:
    """One candidate per row of the chunk."""
    (name, start, stop, mapping), source = chunk.items[0], chunk.source
    path = Path(chunk.root) / name
    split = stem_split(path, source) if "split" not in mapping else None
    whose = records.whose(mapping, records.open_list(path, source).label_names)
    for record in records.read(path, start, stop, mapping, source):
        if not _arrived(record):
            continue
        number = f"{name}#{record.number}"
        if record.damaged:
            yield Candidate(source_path=number, reason="bad_row", detail=record.damaged)
            continue
        try:
            claims = claims_from({"split": split, **record.values}, source, whose)
        except ValueError as error:
            yield Candidate(source_path=number, reason="bad_row", detail=str(error))
            continue
        found = from_cell(
            record.values["image"], number, [path.parent / source.images], max_bytes, claims
        )
        yield img2dataset.upright(found, record.values.get(img2dataset.EXIF))
