"""The narrow table: one line per input of a build, without pictures or embeddings.

Global steps (copies, verdicts, splits) work on this. Texts that name rows stay in Arrow's buffers,
for as Python objects two hashes alone would take 250 bytes a row; `benchmarks/lab/speed/memory.py`
measures what all of them hold.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd
import pyarrow as pa

from emo8.core.errors import BuildError
from emo8.engine import malloc
from emo8.engine.files import read_columns
from emo8.engine.steps import ROWS, part_path
from emo8.tables.thresholds import CHECKS

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


# What names a row differs from row to row; other texts repeat, and share one object a value.
_NAMING = ("id", "pixel_sha256", "source_path", "source_url")
_TEXT = pd.StringDtype("pyarrow", na_value=float("nan"))


def read_narrow(build: Path, parts: list[int], without: Collection[str] = ()) -> pa.Table:
    """All rows of `parts` in order, with `part` and `row` saying where each one lives.

    Columns in `without` are not read.
    """
    wanted = {
        table: [name for name in names if name not in without] for table, names in COLUMNS.items()
    }
    pieces = []
    for part in parts:
        columns: dict[str, pa.ChunkedArray] = {}
        for table, names in wanted.items():
            path = part_path(build, table, part)
            piece = read_columns(path, names)
            lacking = [name for name in names if name not in piece.column_names]
            if lacking:
                raise BuildError(
                    f"{path} has no {', '.join(lacking)}: another version of emo8 wrote it; "
                    f"`emo8 build RECIPE -o {build}` brings the build up to date"
                )
            columns.update(zip(piece.column_names, piece.columns))
        num_rows = len(columns["id"])
        columns["part"] = pa.chunked_array([pa.array([part] * num_rows, pa.int32())])
        columns["row"] = pa.chunked_array([pa.array(range(num_rows), pa.int32())])
        pieces.append(pa.table(columns))
    whole = pa.concat_tables(pieces).combine_chunks()
    pieces.clear()
    malloc.trim()  # as much again
    return whole


def as_frame(table: pa.Table) -> pd.DataFrame:
    """The rows for pandas; texts that name rows and distributions stay where they are."""

    def kept(kind: pa.DataType) -> pd.ArrowDtype | None:
        return pd.ArrowDtype(kind) if pa.types.is_list(kind) else None

    naming = [name for name in table.column_names if name in _NAMING]
    frame = table.drop_columns(naming).to_pandas(types_mapper=kept)
    for name in naming:
        frame[name] = pd.array(table[name], dtype=_TEXT)
    return frame
