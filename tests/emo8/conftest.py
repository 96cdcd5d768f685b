"""One release of the shared small build, and copies of it to spoil."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.core import schema
from emo8.engine.database import Database, opened

Row = dict[str, Any]


@pytest.fixture(scope="session")
def released(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published folder; do not change it."""
    from emo8.publish.send import to_folder

    folder = tmp_path_factory.mktemp("released") / "DIR"
    assert to_folder(small / "BUILD", folder).sent
    return folder


@pytest.fixture
def spoiled(released: Path, tmp_path: Path) -> Path:
    """A copy of the published folder, to change."""
    return Path(shutil.copytree(released, tmp_path / "spoiled"))


@pytest.fixture(scope="session")
def rewrite() -> Callable[[Path, Callable[[list[Row]], None]], None]:
    """A function that changes the rows of one shard in place."""

    def change(path: Path, edit: Callable[[list[Row]], None]) -> None:
        rows = pq.read_table(path).to_pylist()
        edit(rows)
        metadata = pq.read_schema(path).metadata
        table = pa.Table.from_pylist(rows, schema=schema.published_schema())
        pq.write_table(table.replace_schema_metadata(metadata), path)

    return change


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """The database of an empty build, with room for little."""
    with opened(tmp_path / "BUILD", 200_000_000, workers=1) as found:
        yield found
