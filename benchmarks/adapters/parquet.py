"""One parquet file with an image and an emotion column, read without copying it anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.adapters.arrow import Columns, label_of, require_columns
from benchmarks.adapters.base import LabelledRows, split_name
from emo8.core.errors import SourceError
from emo8.core.inside import cell_bytes

if TYPE_CHECKING:
    import pyarrow.parquet as pq


def read(
    path: Path, *, name: str | None = None, image: str = "image", emotion: str = "emotion"
) -> LabelledRows:
    """The rows of a parquet file; without `emotion_rule`, labels are the source's own claims."""
    import datasets
    import pyarrow.parquet as pq

    file = _open(path, pq)
    schema = file.schema_arrow
    features: dict[str, Any] = dict(datasets.Features.from_arrow_schema(schema))
    origin = str(path)
    emotion = label_of(emotion, schema.names)
    require_columns(
        [(image, "--image-column"), (emotion, "--emotion-column")], schema.names, origin
    )

    def values(column: str) -> list[Any]:
        return file.read([column]).column(column).to_pylist()

    columns = Columns(values=values, features=features, schema=schema, origin=origin)
    split: list[str | None] = [None] * file.metadata.num_rows
    if "split" in schema.names:
        split = [split_name(word) for word in columns.text("split")]
    return columns.labelled(
        name=name or path.stem,
        emotion=emotion,
        image=image,
        split=split,
        images=_RowGroups(file, image, path.parent),
    )


def _open(path: Path, pq: Any) -> pq.ParquetFile:
    import pyarrow as pa

    if not path.is_file():
        raise SourceError(f"{path}: no such file.")
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path} cannot be read as parquet: {error}") from error


class _RowGroups:
    """Bytes of the images at given rows; one row group of the image column is held at a time."""

    def __init__(self, file: pq.ParquetFile, column: str, folder: Path) -> None:
        self._file, self._column, self._folder = file, column, folder
        self._starts = [0]
        for group in range(file.num_row_groups):
            self._starts.append(self._starts[-1] + file.metadata.row_group(group).num_rows)
        self._held: tuple[int, Any] = (-1, None)

    def __call__(self, rows: Sequence[int]) -> list[bytes | None]:
        return [self._one(int(row)) for row in rows]

    def _one(self, row: int) -> bytes | None:
        from bisect import bisect_right

        group = bisect_right(self._starts, row) - 1
        if self._held[0] != group:
            table = self._file.read_row_group(group, columns=[self._column])
            self._held = (group, table.column(self._column))
        return cell_bytes(self._held[1][row - self._starts[group]].as_py(), self._folder)
