from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.core import parquet_rows
from emo8.core.errors import TableError
from emo8.core.table_files import all_rows, open_table


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.parquet"
    rows = pa.table({"n": list(range(1000)), "text": [f"row {k}" for k in range(1000)]})
    pq.write_table(rows, path, row_group_size=300)
    return path


def test_rows__any_order_gives_the_rows_asked_for(table: Path) -> None:
    for start, stop in [(0, 100), (100, 200), (250, 700), (990, 1000), (5, 8), (599, 601)]:
        found = open_table(table).rows(start, stop, ["text", "n"])
        assert [list(row) for row in found] == [["text", "n"]] * (stop - start)
        assert [row["n"] for row in found] == list(range(start, stop))


def test_rows__consecutive_parts_decode_every_row_group_once(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    original = parquet_rows._Cursor._open_at

    def spy(self: parquet_rows._Cursor, start: int) -> None:
        opened.append(start)
        original(self, start)

    monkeypatch.setattr(parquet_rows._Cursor, "_open_at", spy)
    for start in range(0, 1000, 50):
        open_table(table).rows(start, start + 50, ["n"])
    assert opened == [0]


def test_rows__damaged_pages_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.parquet"
    pq.write_table(pa.table({"n": list(range(5000))}), path, compression="snappy")
    data = bytearray(path.read_bytes())
    data[4:900] = b"\xff" * 896
    path.write_bytes(data)
    with pytest.raises(TableError, match=r"bad\.parquet"):
        open_table(path).rows(0, 10, ["n"])


def test_rows__class_numbers_are_the_names_that_datasets_wrote_beside_them(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {"emotion": datasets.ClassLabel(names=["sadness", "awe"]), "n": datasets.Value("int64")}
    )
    path = tmp_path / "t.parquet"
    rows = {"emotion": [1, 0, -1, None], "n": [1, 0, -1, None]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(path))
    found = all_rows(path)
    assert [row["emotion"] for row in found] == ["awe", "sadness", None, None]
    assert [row["n"] for row in found] == [1, 0, -1, None]


def test_label_names__metadata_that_is_something_else_names_nothing() -> None:
    for text in [b"", b"[]", b'{"info": 3}', b'{"info": {"features": {"a": 1}}}', b"[" * 100_000]:
        schema = pa.schema([("a", pa.int64())], metadata={b"huggingface": text})
        assert parquet_rows.label_names(schema) == {}


def test_rows__texts_of_any_arrow_type_are_texts(tmp_path: Path) -> None:
    texts = pa.array(["fear", None, "awe"])
    for kind in (pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.string_view()):
        path = tmp_path / f"{kind}.parquet".replace("<", "").replace(">", "")
        pq.write_table(pa.table({"emotion": texts.cast(kind)}), path)
        assert [row["emotion"] for row in all_rows(path)] == ["fear", None, "awe"]
