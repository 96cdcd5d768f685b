"""Results are found again by what they were made of, and by nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from emo8.engine.files import write_part
from emo8.engine.row_results import RowResults, row_keys, with_keys

SCHEMA = pa.schema([("n", pa.int32())])


def keys(names: str) -> np.ndarray:
    return np.asarray(row_keys(({"id": name} for name in names), lambda record: record["id"]))


def put(folder: Path, name: str, ids: str, numbers: list[int], origin: str = "o") -> Path:
    table = pa.table({"n": pa.array(numbers, pa.int32())}, schema=SCHEMA)
    path = folder / f"{name}.parquet"
    write_part(with_keys(table, keys(ids), origin), path, name)
    return path


def found(folder: Path, ids: str, origin: str = "o") -> dict[str, Any]:
    known, table = RowResults(folder, origin).find(keys(ids), SCHEMA)
    names = [name for name, is_known in zip(ids, known, strict=True) if is_known]
    return dict(zip(names, table["n"].to_pylist(), strict=True))


def test_find__results_of_several_parts_in_the_order_asked(tmp_path: Path) -> None:
    put(tmp_path, "one", "abc", [1, 2, 3])
    put(tmp_path, "two", "de", [4, 5])
    assert found(tmp_path, "xebad") == {"e": 5, "b": 2, "a": 1, "d": 4}
    assert found(tmp_path, "xy") == {} == found(tmp_path / "none", "a")


def test_find__only_what_was_made_the_same_way(tmp_path: Path) -> None:
    put(tmp_path, "one", "ab", [1, 2], origin="other")
    write_part(pa.table({"n": [1]}), tmp_path / "old.parquet", "of an older emo8")
    assert found(tmp_path, "ab") == {}


def test_find__keys_that_end_in_zeros(tmp_path: Path) -> None:
    many = "".join(map(chr, range(33, 2000)))
    assert any(key.endswith(b"\0") for key in (k.ljust(16, b"\0") for k in keys(many).tolist()))
    put(tmp_path, "one", many, list(range(len(many))))
    assert found(tmp_path, many) == dict(zip(many, range(len(many)), strict=True))


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_find__a_damaged_part_has_no_results(tmp_path: Path, share: float) -> None:
    path = put(tmp_path, "one", "ab" * 500, [1, 2] * 500)
    put(tmp_path, "two", "c", [3])
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 255
    path.write_bytes(data)
    assert found(tmp_path, "c") == {"c": 3}
    assert set(found(tmp_path, "ab")) <= {"a", "b"}
