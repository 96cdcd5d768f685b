"""Croissant that works alone, and what a submission lacks."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import mlcroissant as mlc
import pytest

from emo8.cli import main
from emo8.publish.submission import NEURIPS, lacking

EXTRA = """
[publish]
authors = ["Ada Lovelace"]
date = "2026-11-28"
repo = "ada/small"
synthetic = "no"
"""


@pytest.fixture(scope="module")
def submitted(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release that says all a submission needs."""
    own = Path(shutil.copytree(small, tmp_path_factory.mktemp("submitted") / "own"))
    recipe = own / "recipe.toml"
    recipe.write_text(recipe.read_text() + EXTRA)
    assert main(["build", str(recipe), "-o", str(own / "BUILD"), "--workers", "1"]) == 0
    assert main(["publish", str(own / "BUILD"), "--check", "neurips"]) == 0
    assert main(["publish", str(own / "BUILD"), "--to", str(own / "P")]) == 0
    return own / "P"


def test_lacking__every_line_to_write(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(small / "BUILD"), "--check", "neurips"]) == 1
    said = capsys.readouterr().out
    for line in ('authors = ["First Last"]', 'date = "', 'repo = "user/name"', 'synthetic = "no"'):
        assert line in said
    assert "sources are relative" in said


def test_lacking__each_field_alone(submitted: Path, tmp_path: Path) -> None:
    assert lacking(submitted) == []
    content = json.loads((submitted / "croissant.json").read_text())
    for field in NEURIPS:
        less = {key: value for key, value in content.items() if key != field}
        (tmp_path / "croissant.json").write_text(json.dumps(less))
        assert any(line.startswith(f"{field} is missing") for line in lacking(tmp_path)), field


def test_croissant__says_where_rows_and_labels_come_from(submitted: Path) -> None:
    content = json.loads((submitted / "croissant.json").read_text())
    assert content["conformsTo"] == [
        "http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0",
    ]  # fmt: skip
    assert content["rai:hasSyntheticData"] is False
    assert content["datePublished"] == "2026-11-28"
    assert content["citeAs"] == "Ada Lovelace (2026). small. version 1.0.0. ada/small."
    assert len(content["prov:wasDerivedFrom"]) == 2
    assert len(content["prov:wasGeneratedBy"]) == 3
    urls = [file["contentUrl"] for file in content["distribution"] if "contentUrl" in file]
    assert all(url.startswith("https://huggingface.co/datasets/ada/small/") for url in urls)


def test_croissant__of_a_folder_reads_there_and_raises_elsewhere(
    released: Path, tmp_path: Path
) -> None:
    assert sum(1 for _ in mlc.Dataset(str(released / "croissant.json")).records("labels")) == 32
    shutil.copy(released / "croissant.json", tmp_path)
    elsewhere = mlc.Dataset(str(tmp_path / "croissant.json"))
    with pytest.raises(Exception, match="Download"):
        next(iter(elsewhere.records("labels")))


def test_croissant__with_a_repository_works_alone(
    submitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A git repository on this disk answers for the Hub: the client clones the tag."""
    repo = tmp_path / "hub" / "ada" / "small"
    shutil.copytree(submitted, repo)
    people = [f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")]
    author = dict.fromkeys(people, "t@t")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"], ["tag", "v1.0.0"]):
        subprocess.run(["git", *command], cwd=repo, check=True, env={**os.environ, **author})
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{tmp_path}/hub/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://huggingface.co/datasets/")
    constants = mlc._src.core.constants  # type: ignore[attr-defined]
    from etils import epath

    monkeypatch.setattr(constants, "DOWNLOAD_PATH", epath.Path(tmp_path / "cache"))
    (tmp_path / "alone").mkdir()
    shutil.copy(submitted / "croissant.json", tmp_path / "alone")
    data = mlc.Dataset(str(tmp_path / "alone" / "croissant.json"))
    assert sum(1 for _ in data.records("labels")) == 32
    assert sum(1 for _ in data.records("default")) == 32
