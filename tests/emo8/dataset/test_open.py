"""Somebody's dataset is read as it is, and only what belongs to it."""

from __future__ import annotations

import os
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.dataset import open as opened
from tests.conftest import encoded, picture


def test_read__a_path_is_read_only_inside_the_datasets_own_folder(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "own.png").write_bytes(encoded(picture(1), "PNG"))
    (tmp_path / "private.png").write_bytes(encoded(picture(2), "PNG"))
    features = datasets.Features({"image": datasets.Image(), "id": datasets.Value("string")})
    paths = ["own.png", str(tmp_path / "private.png"), "../private.png"]
    rows = [{"image": {"bytes": None, "path": path}, "id": path} for path in paths]
    table = pa.Table.from_pylist(rows, schema=features.arrow_schema)
    pq.write_table(table, folder / "train-0.parquet")
    for data in (folder, folder / "train-0.parquet"):
        found = {row.id: row.data is None for row in opened.read(str(data))}
        assert found == dict(zip(paths, [False, True, True], strict=True))


def test_read__a_pipe_in_a_folder_is_a_row_without_picture(tmp_path: Path) -> None:
    (tmp_path / "awe").mkdir()
    (tmp_path / "awe" / "1.png").write_bytes(encoded(picture(1), "PNG"))
    os.mkfifo(tmp_path / "awe" / "2.png")
    assert [row.data is None for row in opened.read(str(tmp_path))] == [False, True]
