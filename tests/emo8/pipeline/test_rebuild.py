"""A build whose inputs changed: work follows the change; the bytes are those of a fresh build."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from emo8.engine.plan import Plan, load_plan
from emo8.pipeline.run import build
from tests.conftest import encoded, picture, write_recipe
from tests.emo8.pipeline.test_run import tree_hash

BY_ROW = ("measure", "people", "embed-embedded", "caption", "describe")
RECIPE = """
[[source]]
kind = "folder"
path = "pictures"
style = "natural"
sidecar = "said.csv"
license = "CC0-1.0"
[ingest]
part_rows = 8
[splits]
tolerance = 1.0
"""  # no row moves to even out shares: where rows are is remembered, and a fresh build has no past
NUM = 120


def add(pictures: Path, number: int, name: str = "") -> None:
    (pictures / (name or f"{number:03d}.jpg")).write_bytes(encoded(picture(number, (80, 72))))


def run(folder: Path, name: str = "BUILD") -> Plan:
    build(folder / "recipe.toml", folder / name, workers=2)
    plan = load_plan(folder / name)
    assert plan is not None
    return plan


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 pictures, captions for some, and their build."""
    folder = tmp_path_factory.mktemp("rebuild")
    (folder / "pictures").mkdir()
    for number in range(NUM):
        add(folder / "pictures", number)
    said = "".join(f"{number:03d}.jpg,blobs number {number}\n" for number in range(0, NUM, 3))
    (folder / "pictures" / "said.csv").write_text("file,caption\n" + said)
    write_recipe(folder, RECIPE)
    plan = run(folder)
    assert plan.rows_redone == dict.fromkeys(plan.rows_redone, NUM)
    return folder


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    """A copy to change; files keep their times, and the recipe its relative paths."""
    return Path(shutil.copytree(folder, tmp_path / "own"))


def test_build__some_new_gone_and_renamed_files_cost_the_new_ones(own: Path) -> None:
    pictures = own / "pictures"
    for k in range(20):
        add(pictures, 500 + k, f"{6 * k:03d}-new.jpg")
    for number in (0, 31, 32, 77, NUM - 1):
        (pictures / f"{number:03d}.jpg").unlink()
    for number in (4, 40, 41, 90, 91, 118):
        (pictures / f"{number:03d}.jpg").rename(pictures / f"r{number}.jpg")
    plan = run(own)
    assert plan.rows_redone["measure"] == plan.rows_redone["embed-embedded"] == 20
    assert plan.rows_redone["caption"] <= 20 + 6  # what a sidecar says goes by the name
    fresh = run(own, "FRESH")
    assert tree_hash(own / "BUILD" / "dataset") == tree_hash(own / "FRESH" / "dataset")
    assert fresh.fingerprints == plan.fingerprints
    for table in BY_ROW:
        where = Path("columns") / table
        assert tree_hash(own / "BUILD" / where) == tree_hash(own / "FRESH" / where)
    assert not (own / "BUILD" / "earlier").exists()


def test_build__names_and_times_alone_cost_nothing(own: Path) -> None:
    pictures = own / "pictures"
    (pictures / "001.jpg").rename(pictures / "zz.jpg")
    os.utime(pictures / "050.jpg")
    shutil.move(pictures / "100.jpg", own / "elsewhere.jpg")
    plan = run(own)
    num_parts = len(plan.fingerprints["measure"])
    assert plan.rows_redone == plan.rows_redone | dict.fromkeys(BY_ROW, 0)
    assert all(plan.reused[step] == num_parts for step in BY_ROW)
    assert num_parts - plan.reused["rows"] <= 5


def test_build__results_are_kept_through_a_kill(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after ingest: what fits nowhere any more is still there for the next run."""
    for number in range(5, 15):
        (own / "pictures" / f"{number:03d}.jpg").rename(own / "pictures" / f"{number:03d}a.jpg")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("emo8.pipeline.ingest.still_unread", stop)
        with pytest.raises(KeyboardInterrupt):
            run(own)
    assert run(own).rows_redone["embed-embedded"] == 0


def test_build__of_an_older_emo8_says_what_is_made_anew(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = load_plan(own / "BUILD")
    assert plan is not None
    plan.cut = 0
    plan.save(own / "BUILD")
    (own / "pictures" / "005.jpg").rename(own / "pictures" / "005a.jpg")
    run(own)
    assert "is of an older emo8, which cut parts otherwise" in capsys.readouterr().err
    (own / "pictures" / "005a.jpg").rename(own / "pictures" / "005.jpg")
    run(own)
    assert "older emo8" not in capsys.readouterr().err


def test_build__another_option_of_a_step_uses_no_old_result(own: Path) -> None:
    (own / "pictures" / "005.jpg").rename(own / "pictures" / "005a.jpg")
    recipe = own / "recipe.toml"
    recipe.write_text(
        recipe.read_text().replace("part_rows = 8", "part_rows = 8\nmax_pixels = 99_999")
    )
    plan = run(own)
    assert plan.rows_redone["measure"] == NUM
