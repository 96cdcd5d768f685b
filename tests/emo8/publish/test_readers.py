"""Other people's readers give the same cells, and each printed recipe gives every row once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from datasets import Image, load_dataset
from datasets.distributed import split_dataset_by_node
from torch.utils.data import DataLoader

from emo8.core import schema
from emo8.dataset.shards import read_rows

DOCS = Path(__file__).resolve().parents[3] / "docs" / "publishing.md"
Rows = dict[str, dict[str, Any]]
SPLITS = ("train", "val", "test")


def plain(value: Any) -> Any:
    """A cell as Python values: arrays and structs of every reader alike, floats as 32 bits."""
    if hasattr(value, "tolist") and not isinstance(value, (bytes, str)):
        value = value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.6g}")
    return bytes(value) if isinstance(value, (bytearray, memoryview)) else value


def by_id(rows: list[dict[str, Any]]) -> Rows:
    found = {row["id"]: {key: plain(value) for key, value in row.items()} for row in rows}
    assert len(found) == len(rows)
    return found


def raw(data: Any) -> Any:
    return data.cast_column("image", Image(decode=False))


def same(batch: list[Any]) -> list[Any]:
    return batch


def of_datasets(root: Path) -> list[Any]:
    parts = load_dataset(str(root))
    return [row for split in SPLITS for row in raw(parts[split])]


def of_streams(root: Path) -> list[Any]:
    parts = load_dataset(str(root), streaming=True)
    return [row for split in SPLITS for row in raw(parts[split])]


def of_workers(root: Path) -> list[Any]:
    parts = load_dataset(str(root), streaming=True)
    loaders = [
        DataLoader(raw(parts[split]), batch_size=8, num_workers=2, collate_fn=same)
        for split in SPLITS
    ]
    return [row for loader in loaders for batch in loader for row in batch]


def of_nodes(root: Path) -> list[Any]:
    parts = load_dataset(str(root), streaming=True)
    return [
        row
        for split in SPLITS
        for rank in range(2)
        for row in split_dataset_by_node(raw(parts[split]), rank=rank, world_size=2)
    ]


def of_pyarrow(root: Path) -> list[Any]:
    return ds.dataset(str(root / "data"), format="parquet").to_table().to_pylist()


def of_duckdb(root: Path) -> list[Any]:
    import duckdb

    found = duckdb.sql(f"select * from '{root}/data/*/*.parquet'")
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def of_polars(root: Path) -> list[Any]:
    import polars

    return polars.read_parquet(f"{root}/data/*/*.parquet").to_dicts()


def of_pandas(root: Path) -> list[Any]:
    import pandas as pd

    frame = pd.concat([pd.read_parquet(path) for path in sorted(root.glob("data/*/*.parquet"))])
    return frame.astype(object).to_dict("records")


READERS = (of_streams, of_workers, of_nodes, of_pyarrow, of_duckdb, of_polars, of_pandas)


@pytest.fixture(scope="module")
def cells(released: Path) -> Rows:
    return by_id(of_datasets(released))


@pytest.mark.parametrize("read", READERS)
def test_readers__all_cells_are_the_same(
    read: Callable[[Path], list[Any]], released: Path, cells: Rows
) -> None:
    found = by_id(read(released))
    assert set(found) == set(cells) and len(cells) == 32
    for key, row in found.items():
        for name in schema.PUBLISHED:
            left, right = row[name], cells[key][name]
            left = None if isinstance(left, float) and math.isnan(left) else left
            if isinstance(right, int) and isinstance(left, float):
                left = int(left)  # pandas has no integers beside nothing
            assert left == right, (read.__name__, name)


def test_shards__groups_are_small_and_no_type_is_one_that_a_reader_lacks(released: Path) -> None:
    """At most 200 rows or 64 MB; half floats are read by few, so none is published."""
    for path in released.glob("*/**/*.parquet"):
        footer = pq.read_metadata(path)
        groups = [footer.row_group(n) for n in range(footer.num_row_groups)]
        if path.is_relative_to(released / "data"):
            assert all(g.num_rows <= 200 and g.total_byte_size <= 64_000_000 for g in groups)
        assert "halffloat" not in str(pq.read_schema(path))


def test_docs__every_recipe_for_a_stopped_stream_gives_each_row_once(
    released: Path, tmp_path: Path
) -> None:
    text = DOCS.read_text().split("## Reading it")[1]
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    recipes = [block for block in blocks if "rest = " in block]
    assert len(recipes) == 3
    table = read_rows(released, ["id"])
    every = [row["id"] for row in table.to_pylist() if row["split"] == "train"]
    for block in recipes:
        found: dict[str, Any] = {"DIR": str(released)}
        exec(block, found)
        assert len(found["first"]) == 15 and len(found["rest"]) == len(every) - 15
        assert sorted([*found["first"], *found["rest"]]) == sorted(every)
