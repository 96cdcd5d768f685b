"""Tables of pictures: parquet, CSV, JSONL or JSON lists, one file or a glob.

The image column holds bytes, a struct with `bytes` (the Hub's Image), or a path relative to the
table's own folder (or to `images` in it). Paths that lead outside that folder are refused. With
`keep_splits`, the split is a column, or the start of the file's name (`train.json`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from emo8.core.settings import SourceConfig
from emo8.sources import records
from emo8.sources.base import (
    Candidate,
    Chunk,
    check_columns,
    common_root,
    from_cell,
    listed_files,
)
from emo8.sources.claims import TABLE_COLUMNS, claims_from, stem_split


def plan(source: SourceConfig, recipe_dir: Path, part_rows: int) -> Iterator[Chunk]:
    """Chunks of consecutive rows, file by file in sorted order."""
    check_columns(source, TABLE_COLUMNS)
    root = common_root(source, recipe_dir)
    for path in listed_files(source, recipe_dir):
        table = records.open_list(path, source)
        mapping = records.map_columns(path, table.columns, source, TABLE_COLUMNS, "image")
        records.check_splits(path, table, mapping, source)
        status = path.stat()
        total = table.num_rows
        for start in range(0, total, part_rows):
            stop = min(start + part_rows, total)
            yield Chunk(
                source=source,
                root=str(root),
                items=((str(path.relative_to(root)), start, stop, mapping),),
                num_inputs=stop - start,
                stamp=(status.st_size, status.st_mtime_ns),
            )


def read(chunk: Chunk, max_bytes: int) -> Iterator[Candidate]:
    """One candidate per row of the chunk."""
    (name, start, stop, mapping), source = chunk.items[0], chunk.source
    path = Path(chunk.root) / name
    split = stem_split(path, source) if "split" not in mapping else None
    whose = records.whose(mapping, records.open_list(path, source).label_names)
    for record in records.read(path, start, stop, mapping, source):
        number = f"{name}#{record.number}"
        if record.damaged:
            yield Candidate(source_path=number, reason="bad_row", detail=record.damaged)
            continue
        try:
            claims = claims_from({"split": split, **record.values}, source, whose)
        except ValueError as error:
            yield Candidate(source_path=number, reason="bad_row", detail=str(error))
            continue
        yield from_cell(
            record.values["image"], number, [path.parent / source.images], max_bytes, claims
        )
