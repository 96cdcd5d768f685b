"""Pictures published again come from the shards of the last run, and are the same bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.dataset import reuse, write
from emo8.dataset.reuse import KnownPictures


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    """A finished build of its own to spoil."""
    return Path(shutil.copytree(small / "BUILD", tmp_path / "BUILD"))


def _shards(build: Path) -> list[Path]:
    return sorted((build / "dataset" / "data").glob("*/*.parquet"))


def _write_again(build: Path) -> list[write.ShardTask]:
    tasks = write.plan_shards(build, 10**8)
    for task in tasks:
        task.run(None)
    write.remove_surplus(build)
    return tasks


def test_shards__a_changed_row_encodes_no_picture_and_gives_the_same_bytes(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "VERSION", -1)  # every shard is stale
    shutil.rmtree(copy / "dataset" / "data")
    _write_again(copy)
    fresh = {path: path.read_bytes() for path in _shards(copy)}

    def refuse(*args: object, **options: object) -> bytes:
        raise AssertionError("a picture was encoded again")

    monkeypatch.setattr(write, "publishable", refuse)
    monkeypatch.setattr(write, "VERSION", -2)
    _write_again(copy)
    monkeypatch.setattr(write, "VERSION", -1)
    _write_again(copy)
    assert {path: path.read_bytes() for path in _shards(copy)} == fresh
    assert sum(pq.read_metadata(path).num_rows for path in fresh) > 0


def test_shards__rows_that_move_take_their_pictures_along(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = pq.read_table(copy / "tables" / "verdicts.parquet")
    split = pa.array([None if name is None else "val" for name in verdicts["split"].to_pylist()])
    moved = verdicts.set_column(verdicts.schema.get_field_index("split"), "split", split)
    pq.write_table(moved, copy / "tables" / "verdicts.parquet")
    before = {k for path in _shards(copy) for k in pq.read_table(path)["id"].to_pylist()}
    monkeypatch.setattr(write, "publishable", None)  # to encode would fail
    _write_again(copy)
    assert {path.stem.split("-")[0] for path in _shards(copy)} == {"val"}
    assert {k for path in _shards(copy) for k in pq.read_table(path)["id"].to_pylist()} == before


def test_known_pictures__what_was_made_otherwise_or_is_damaged_is_encoded_again(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shard = _shards(copy)[0]
    table = pq.read_table(shard)
    key = table["id"][0].as_py()
    assert KnownPictures([shard]).get(key) == table["image"][0]["bytes"].as_py()
    assert KnownPictures([shard]).get("0" * 64) is None

    wrong = table.set_column(
        table.schema.get_field_index("published_sha256"),
        table.schema.field("published_sha256"),
        pa.array(["0" * 64] * table.num_rows),
    )
    pq.write_table(wrong, tmp_path / "wrong.parquet")
    assert KnownPictures([tmp_path / "wrong.parquet"]).get(key) is None
    (tmp_path / "cut.parquet").write_bytes(shard.read_bytes()[:-100])
    assert KnownPictures([tmp_path / "cut.parquet"]).get(key) is None
    monkeypatch.setattr(reuse, "making", lambda: "another encoder")
    assert KnownPictures([shard]).get(key) is None
