"""A release takes its folder in one step, alone, and never another build's."""

import json
import shutil
from pathlib import Path

import pytest

from emo8.cli import main
from emo8.core.errors import BuildError, Emo8Error
from emo8.core.settings import PublishConfig
from emo8.engine.files import damage
from emo8.publish import folder, release
from emo8.publish.send import to_folder
from tests.emo8.pipeline.test_run import tree_hash


def test_staging__release_that_a_kill_left_aside_comes_back(tmp_path: Path) -> None:
    (tmp_path / ".P.old").mkdir()
    (tmp_path / ".P.old" / "file").write_text("before")
    (tmp_path / ".P.partial").mkdir()
    (tmp_path / ".P.partial" / "half").write_text("x")
    with folder.staging(tmp_path / "P") as root:
        assert (tmp_path / "P" / "file").read_text() == "before"
        assert not any(root.iterdir())
        with (
            pytest.raises(BuildError, match="another process is publishing"),
            folder.staging(tmp_path / "P"),
        ):
            pass
    assert not (tmp_path / ".P.partial").exists() and not (tmp_path / ".P.old").exists()


@pytest.mark.parametrize("place", [".", "..", "BUILD", "BUILD/dataset", "BUILD/new"])
def test_target__places_that_must_not_be_replaced(
    place: str, small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small)
    assert main(["publish", "BUILD", "--to", place]) == 2
    assert f"--to {place}" in capsys.readouterr().err


def test_target__link_leads_to_its_folder(small: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert folder.target(tmp_path / "link", small / "BUILD") == (tmp_path / "real").resolve()
    with pytest.raises(Emo8Error, match="outside"):
        folder.target(small, small / "BUILD")


def test_link_shards__later_changes_stay_on_their_side(small: Path, tmp_path: Path) -> None:
    before = tree_hash(small / "BUILD" / "dataset")
    release.link_shards(small / "BUILD" / "dataset", tmp_path / "P", PublishConfig())
    shard = next((tmp_path / "P").glob("data/*/*.parquet"))
    with shard.open("r+b") as file:
        file.seek(2000)
        file.write(b"X")
    assert tree_hash(small / "BUILD" / "dataset") == before
    with pytest.raises(FileExistsError):
        release.link_shards(small / "BUILD" / "dataset", tmp_path / "P", PublishConfig())


def test_to_folder__release_of_another_build_is_refused(small: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "A", tmp_path / "B"
    for place in (first, second):
        shutil.copytree(small, place)
        (place / "BUILD" / "published.json").write_text('{"releases": []}')  # not of other tests
    target = tmp_path / "P"
    assert to_folder(first / "BUILD", target).sent
    recipe = second / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("CC0-1.0", "CC-BY-4.0"))
    assert main(["build", str(recipe), "-o", str(second / "BUILD"), "--workers", "1"]) == 0
    before = tree_hash(target)
    with pytest.raises(BuildError, match="did not publish"):
        to_folder(second / "BUILD", target)
    assert tree_hash(target) == before
    recipe.write_text(recipe.read_text() + f'[splits]\nkeep = ["{target}"]\n')
    assert main(["build", str(recipe), "-o", str(second / "BUILD"), "--workers", "1"]) == 0
    assert to_folder(second / "BUILD", target).release.version == "1.1.0"
    notes = json.loads((target / "release.json").read_text())
    assert len(notes["history"]) == 2


def test_to_folder__damaged_shard_is_not_published(small: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(small, tmp_path / "own"))
    shard = next((own / "BUILD" / "dataset").glob("data/*/*.parquet"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    assert damage(shard)
    with pytest.raises(BuildError, match="has changed since it was written"):
        to_folder(own / "BUILD", tmp_path / "P")
    assert not (tmp_path / "P").exists()
