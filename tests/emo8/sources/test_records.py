from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.core.errors import SourceError
from emo8.sources import records


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.parquet"
    rows = pa.table({"n": list(range(1000)), "text": [f"row {k}" for k in range(1000)]})
    pq.write_table(rows, path, row_group_size=300)
    return path


def test_slice_rows__any_order_gives_the_rows_asked_for(table: Path) -> None:
    for start, stop in [(0, 100), (100, 200), (250, 700), (990, 1000), (5, 8), (599, 601)]:
        found = records.slice_rows(table, start, stop, ["text", "n"], "t")
        assert found.column_names == ["text", "n"]
        assert found.column("n").to_pylist() == list(range(start, stop))


def test_slice_rows__consecutive_parts_decode_every_row_group_once(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    original = records._Cursor._open_at

    def spy(self: records._Cursor, start: int) -> None:
        opened.append(start)
        original(self, start)

    monkeypatch.setattr(records._Cursor, "_open_at", spy)
    for start in range(0, 1000, 50):
        records.slice_rows(table, start, start + 50, ["n"], "t")
    assert opened == [0]


def test_slice_rows__damaged_pages_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.parquet"
    pq.write_table(pa.table({"n": list(range(5000))}), path, compression="snappy")
    data = bytearray(path.read_bytes())
    data[4:900] = b"\xff" * 896
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"bad\.parquet"):
        records.slice_rows(path, 0, 10, ["n"], "t")
