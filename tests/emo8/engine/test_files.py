"""Files appear whole or not at all, and parts know when they have changed."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.core.errors import DamagedError
from emo8.engine import files
from emo8.engine.files import UNSEALED, appearing, copy, damage, new_array, write_part

TABLE = pa.table({"id": [f"row {n}" for n in range(400)], "value": list(range(400))})


@pytest.fixture
def part(tmp_path: Path) -> Path:
    path = tmp_path / "rows" / "part-00000.parquet"
    write_part(TABLE, path, "mark")
    return path


def test_appearing__whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    with appearing(path) as partial:
        partial.write_bytes(b"first")
        assert not path.exists()
    with pytest.raises(RuntimeError), appearing(path) as partial:
        partial.write_bytes(b"second")
        raise RuntimeError("killed")
    assert path.read_bytes() == b"first" and len(list(path.parent.iterdir())) == 1


def test_appearing__is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    monkeypatch.setattr(files.os, "fsync", lambda handle: steps.append("fsync"))
    really = files.os.replace
    monkeypatch.setattr(files.os, "replace", lambda a, b: (steps.append("rename"), really(a, b)))
    files.write_text(tmp_path / "a", "text")
    assert steps == ["fsync", "rename", "fsync"]  # bytes, name, and the folder that holds the name
    steps.clear()
    files.write_bytes(tmp_path / "cache", b"x", durable=False)
    assert steps == ["rename"]


def test_part__fingerprint_columns_and_no_damage(part: Path) -> None:
    assert files.read_fingerprint(part) == "mark"
    assert files.read_columns(part, ["value"])["value"].to_pylist() == list(range(400))
    assert damage(part) == ""
    assert damage(part.with_name("none.parquet")) == "is missing"


def test_part__every_flipped_bit_is_noticed(part: Path) -> None:
    whole, chance = part.read_bytes(), random.Random(0)
    places = {chance.randrange(len(whole)) for _ in range(150)} | set(
        range(len(whole) - 12, len(whole))
    )
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << chance.randrange(8)
        part.write_bytes(changed)
        assert damage(part), place
    part.write_bytes(whole[:-1])
    assert damage(part)


def test_part__foreign_file_carries_no_checksum(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "theirs.parquet")
    assert damage(tmp_path / "theirs.parquet") == UNSEALED
    (tmp_path / "short").write_bytes(b"PAR1")
    assert damage(tmp_path / "short") == UNSEALED


def test_part__written_again_from_what_was_read_is_sealed_anew(part: Path) -> None:
    table = pq.read_table(part)
    write_part(table.slice(0, 10), part, "other")
    assert damage(part) == "" and files.read_fingerprint(part) == "other"


def test_read_columns__damaged_page_is_named(part: Path) -> None:
    column = pq.read_metadata(part).row_group(0).column(1)
    data = bytearray(part.read_bytes())
    data[column.dictionary_page_offset + column.total_compressed_size - 3] ^= 16
    part.write_bytes(data)
    assert files.read_columns(part, ["id"]).num_rows == 400  # the other column is whole
    with pytest.raises(DamagedError, match=r"part-00000\.parquet is damaged"):
        files.read_columns(part, ["value"])


def test_copy__later_changes_are_not_shared(part: Path, tmp_path: Path) -> None:
    copy(part, tmp_path / "copy")
    before = part.read_bytes()
    with (tmp_path / "copy").open("r+b") as file:
        file.write(b"XXXX")
    assert part.read_bytes() == before
    with pytest.raises(FileExistsError):  # never through what is there
        copy(part, tmp_path / "copy")


def test_new_array__full_disk_is_an_error_before_the_first_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = new_array(tmp_path / "a.npy", np.dtype(np.float32), (10, 3))
    array[:] = 1
    del array
    assert np.load(tmp_path / "a.npy").sum() == 30
    with pytest.raises(OSError):
        new_array(tmp_path / "b.npy", np.dtype(np.uint8), (1 << 60,))  # no disk has that much
