"""Bit rot: found by `status --check`, mended by `build` where there are inputs."""

import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.cli import main
from emo8.core.errors import DamagedError
from emo8.dataset import write
from emo8.engine.files import read_fingerprint, write_part
from emo8.pipeline import integrity
from emo8.pipeline.run import build
from emo8.review import votes
from tests.emo8.pipeline.test_run import tree_hash


@pytest.fixture
def own(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "own"))


def flip(path: Path, share: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 4
    path.write_bytes(data)


DERIVED = (
    "rows/part-00001.parquet",
    "columns/measure/part-00000.parquet",
    "columns/label/part-00002.parquet",
    "tables/verdicts.parquet",
    "dataset/data/natural/train-00000.parquet",
    "dataset/README.md",
    "report/funnel.json",
)


def test_status_check__names_every_damaged_file_and_build_mends_them(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = own / "BUILD"
    before = tree_hash(folder / "dataset")
    assert main(["status", str(folder), "--check"]) == 0
    for name in DERIVED:
        flip(folder / name)
    capsys.readouterr()
    assert main(["status", str(folder), "--check", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["damaged"]
    assert {Path(one["path"]).relative_to(folder).as_posix() for one in found} == set(DERIVED)
    assert not build(own / "recipe.toml", folder, workers=1).already_complete
    assert main(["status", str(folder), "--check"]) == 0
    assert tree_hash(folder / "dataset") == before
    assert build(own / "recipe.toml", folder, workers=1).already_complete


def rot(path: Path, share: float = 0.5) -> None:
    """Change a bit as a disk does: the file keeps its time."""
    status = path.stat()
    flip(path, share)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_build__nothing_to_do_reads_no_checksum(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(own / "recipe.toml", own / "BUILD", workers=1)  # a copy has other inodes: it reads all

    def read(path: Path) -> str:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(integrity, "damage", read)
    assert build(own / "recipe.toml", own / "BUILD", workers=1).already_complete


def test_build__rot_that_a_check_found_is_mended(own: Path) -> None:
    folder = own / "BUILD"
    build(own / "recipe.toml", folder, workers=1)
    before = tree_hash(folder / "dataset")
    for name in DERIVED[:5]:
        rot(folder / name)
    assert main(["status", str(folder), "--check"]) == 1
    build(own / "recipe.toml", folder, workers=1)
    assert main(["status", str(folder), "--check"]) == 0
    assert tree_hash(folder / "dataset") == before


@pytest.mark.parametrize(
    ("name", "share"),
    [("columns/measure/part-00000.parquet", 0.5), ("rows/part-00000.parquet", 0.97)],
)
def test_build__rot_in_what_decides_is_found_when_it_is_read(
    own: Path, caplog: pytest.LogCaptureFixture, name: str, share: float
) -> None:
    folder, recipe = own / "BUILD", own / "recipe.toml"
    build(recipe, folder, workers=1)
    rot(folder / name, share)
    recipe.write_text(recipe.read_text() + "[decide]\nmin_side_px = 65\n")
    build(recipe, folder, workers=1)
    assert name in caplog.text
    assert main(["status", str(folder), "--check"]) == 0


def test_publish__rot_in_a_shard_never_goes_out(own: Path, tmp_path: Path) -> None:
    folder = own / "BUILD"
    build(own / "recipe.toml", folder, workers=1)
    rot(folder / DERIVED[4])
    assert main(["publish", str(folder), "--to", str(tmp_path / "OUT")]) == 2
    build(own / "recipe.toml", folder, workers=1)
    assert main(["status", str(folder), "--check"]) == 0


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_build__damaged_plan_is_made_anew(own: Path, share: float) -> None:
    flip(own / "BUILD" / "plan.json", share)
    assert main(["status", str(own / "BUILD"), "--check"]) == 1
    build(own / "recipe.toml", own / "BUILD", workers=1)
    assert main(["status", str(own / "BUILD"), "--check"]) == 0


def test_build__damaged_votes_stop_it_and_are_not_removed(own: Path) -> None:
    sheet = own / "votes.csv"
    assert main(["review", str(own / "BUILD"), "--export", str(sheet), "--pick", "all"]) == 0
    text = sheet.read_text().splitlines()
    row = dict(zip(text[0].split(","), text[1].split(",")))
    sheet.write_text(f"id,annotator,emotion\n{row['id']},a,awe\n")
    assert main(["review", str(own / "BUILD"), "--import", str(sheet)]) == 0
    flip(votes.path_of(own / "BUILD"), 0.1)
    with pytest.raises((DamagedError, ValueError), match=r"votes\.parquet"):
        build(own / "recipe.toml", own / "BUILD", workers=1)
    assert votes.path_of(own / "BUILD").exists()


def test_shards__picture_that_is_not_its_id_is_never_published(own: Path) -> None:
    """Changed after the start of the run: the row's id tells, and the next run mends."""

    folder = own / "BUILD"
    rows = folder / "rows" / "part-00001.parquet"
    table = pq.read_table(rows)
    swapped = table["image"].to_pylist()[::-1]
    place = table.column_names.index("image")
    mark = read_fingerprint(rows)
    assert mark
    write_part(table.set_column(place, "image", pa.array(swapped, table["image"].type)), rows, mark)
    shutil.rmtree(folder / "dataset")
    (task,) = write.plan_shards(folder, 10**8)
    with pytest.raises(DamagedError, match="is not the picture"):
        task.run(None)


def test_cli__damage_is_a_message(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip(own / "BUILD" / "columns" / "calibrate" / "part-00000.parquet", 0.02)
    assert main(["report", str(own / "BUILD")]) == 1
    assert "part-00000.parquet is damaged" in capsys.readouterr().err
