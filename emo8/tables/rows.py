"""All inputs of a build as one table for SQL: the parts of its steps side by side, where they lie.

Nothing is copied: a part's columns are read from its files when a query asks for them. Steps write
row by row what they read, so the n-th line of every step's part is about the same input.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from emo8.core.errors import BuildError
from emo8.engine.database import Database, parquet
from emo8.engine.files import read_columns
from emo8.engine.steps import ROWS, part_path
from emo8.tables.thresholds import CHECKS

SLAB_ROWS = 65_536  # rows sorted and written at a time, whatever the size of the build
COLUMNS: dict[str, tuple[str, ...]] = {
    ROWS: (
        "id",
        "source",
        "source_path",
        "source_url",
        "style_source",
        "emotion_source",
        "split_source",
        "license",
        "ingest_reason",
        "ingest_value",
        "ingest_detail",
    ),
    "measure": (
        "decode_reason",
        "decode_value",
        "width",
        "height",
        "pixel_sha256",
        "phash",  # by which removed pictures and their near copies are known
        *dict.fromkeys(check.column for check in CHECKS if check.table == "measure"),
    ),
    "label": ("style_prob", "emotion_raw_prob", "emotion_agreement"),
    "calibrate": ("emotion_prob", "emotion_margin", "emotion_entropy"),
    "safety": ("unsafe_prob",),
    "caption": ("caption_sim",),
}


@dataclass(frozen=True, kw_only=True)
class Slab:
    """Some consecutive parts, and the numbers of their rows among all rows of the build."""

    parts: tuple[int, ...]
    start: int  # number of its first row
    sizes: tuple[int, ...]  # rows of each part

    @property
    def stop(self) -> int:
        return self.start + sum(self.sizes)


def slabs(db: Database, parts: Sequence[int], table: str = ROWS) -> list[Slab]:
    """All parts in order, cut into slabs; `table` is read for the number of their rows."""
    if not parts:
        return []
    files = parquet([part_path(db.build, table, part) for part in parts])
    counted = db.lines(files.replace("read_parquet", "FROM parquet_file_metadata", 1))
    sizes = dict(zip(parts, (line[2] for line in counted)))
    return list(_cut(sizes))


def _cut(sizes: dict[int, int]) -> Iterator[Slab]:
    start, held = 0, dict[int, int]()
    for part, size in sizes.items():
        if held and sum(held.values()) + size > SLAB_ROWS:
            yield Slab(parts=tuple(held), start=start, sizes=tuple(held.values()))
            start, held = start + sum(held.values()), {}
        held[part] = size
    yield Slab(parts=tuple(held), start=start, sizes=tuple(held.values()))


def inputs(build: Path, slab: Slab, columns: Collection[str] | None = None) -> str:
    """SQL: a line per input of a slab with `n` (number among all), `part`, `row` and `columns`.

    Default: all columns.
    """
    starts = [slab.start + sum(slab.sizes[:number]) for number in range(len(slab.sizes))]
    places = [
        f"{starts}[CAST(file_index AS INT) + 1] + file_row_number AS n",
        f"{list(slab.parts)}[CAST(file_index AS INT) + 1] AS part",
        "file_row_number AS row",
    ]
    sides: list[str] = []
    for table, names in COLUMNS.items():
        wanted = [name for name in names if columns is None or name in columns]
        if wanted:
            wanted = [*(() if sides else places), *wanted]
            files = parquet([part_path(build, table, part) for part in slab.parts])
            sides.append(f"(SELECT {', '.join(wanted)} FROM {files})")
    return f"(SELECT * FROM {' POSITIONAL JOIN '.join(sides)})"


def read_inputs(build: Path, parts: Sequence[int], columns: Sequence[str]) -> pa.Table:
    """Some columns of the inputs of these parts in memory, with `part` and `row`.

    BuildError for parts of another version; DamagedError where a part is not as it was written.
    """
    pieces = []
    for part in parts:
        found = dict[str, pa.ChunkedArray]()
        for table, names in COLUMNS.items():
            if wanted := [name for name in names if name in columns]:
                piece = read_columns(part_path(build, table, part), wanted)
                found |= dict(zip(piece.column_names, piece.columns))
        if lacking := [name for name in columns if name not in found]:
            raise BuildError(
                f"part {part} of {build} has no {', '.join(lacking)}: another version of emo8 "
                f"wrote it; `emo8 build RECIPE -o {build}` brings the build up to date"
            )
        size = len(found[columns[0]])
        places = {"part": np.full(size, part, np.int32), "row": np.arange(size, dtype=np.int32)}
        pieces.append(pa.table({**places, **{name: found[name] for name in columns}}))
    return pa.concat_tables(pieces)
