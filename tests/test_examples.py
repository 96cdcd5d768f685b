"""docs/examples: every command of the page is run, those for the web against loopback servers."""

from __future__ import annotations

import json
import shlex
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from emo8.cli import main
from emo8.core.read_recipe import parse_recipe
from emo8.core.taxonomy import EMOTIONS, STYLES
from tests.conftest import encoded, picture
from tests.emo8.web.conftest import Site
from tests.emo8.web.openverse import Openverse
from tests.hub_server import Hub
from tests.readme_proof import blocks, commands

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "examples" / "README.md"
RECIPES = sorted(PAGE.parent.glob("*.toml"))
LOOPBACK = "127.0.0.0/8"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the root of the clone, to work in."""
    for name in ("docs", "emo8"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def steps(recipe: str) -> list[str]:
    """The commands of the section that names this recipe."""
    sections = PAGE.read_text("utf-8").split("\n## ")
    (section,) = [text for text in sections if f"]({recipe})" in text]
    return [line for language, block in blocks(section) if language == "bash"
            for line in commands(block)]  # fmt: skip


def follow(line: str, *more: str) -> None:
    """Run one line of the page, with more options behind it."""
    if line.startswith("emo8 "):
        assert main([*shlex.split(line)[1:], *more]) == 0, line
    else:
        subprocess.run(line, shell=True, check=True)


def rows(build: Path, split: str = "*") -> list[dict[str, object]]:
    import pyarrow.parquet as pq

    shards = sorted((build / "dataset" / "data").glob(f"*/{split}-*.parquet"))
    assert shards
    return [row for path in shards for row in pq.read_table(path).drop(["image"]).to_pylist()]


def test_page__names_every_recipe() -> None:
    assert {path.stem for path in RECIPES} == {"sample", "openverse", "released"}
    assert all(len(steps(path.name)) >= 4 for path in RECIPES)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe__is_read(path: Path) -> None:
    assert parse_recipe(tomllib.loads(path.read_text("utf-8")), where=path.name).source


@pytest.mark.slow
def test_released__keeps_the_authors_splits_and_emotions(clone: Path) -> None:
    first, *rest = steps("released.toml")
    follow(first)
    places = [f"{split}/{emotion}" for split in ("train", "val", "test") for emotion in EMOTIONS]
    for number, place in enumerate(places):
        (clone / "released" / "Emo8" / place).mkdir(parents=True)
        file = clone / "released" / "Emo8" / place / "1.jpg"
        file.write_bytes(encoded(picture(700 + number)))
    for line in rest:
        follow(line, *(("--workers", "1") if line.startswith("emo8 build") else ()))
    build = clone / "released" / "BUILD"
    for split in ("train", "val", "test"):
        told = rows(build, split)
        assert sorted(EMOTIONS[int(str(row["emotion"]))] for row in told) == sorted(EMOTIONS)
        assert {row["emotion_rule"] for row in told} == {"source"}
        assert {row["style_rule"] for row in told} == {"clip"}


@pytest.mark.slow
def test_openverse__from_keywords_to_the_hub(clone: Path, hub: Hub) -> None:
    site = Site()
    server = Openverse(pictures=site.base)
    nearby = ["--per-cell", "1", "--endpoint", server.base, "--delay-s", "0"]
    for line in steps("openverse.toml"):
        if line.startswith("emo8 search"):
            follow(line, *nearby, "--allow-network", LOOPBACK)
            _allow_loopback(clone / "mine" / "recipe.toml")
        else:
            follow(line, *(("--workers", "1") if line.startswith("emo8 build") else ()))
    found = rows(clone / "mine" / "BUILD")
    assert len(found) == 40 and Counter(row["style"] for row in found) == dict.fromkeys(range(5), 8)
    assert {row["license"] for row in found} == {"CC-BY-2.0"}
    assert all(str(row["attribution"]).startswith('"') for row in found)
    # what was searched is no label, and the drawn squares of the site are no drawings
    assert {row["emotion_rule"] for row in found} <= {"clip", "abstain"}
    assert hub.repos["user/name"].private and set(hub.repos["user/name"].tags) == {"v1.0.0"}
    for one in (site, server):
        one.server.shutdown()


def _allow_loopback(recipe: Path) -> None:
    """What a reader does not need: pictures that lie on this machine, asked for without a wait."""
    text = recipe.read_text("utf-8")
    text = text.replace("[fetch]", f'allow_networks = ["{LOOPBACK}"]\n[fetch]\nhost_delay_s = 0.0')
    recipe.write_text(text, "utf-8")


@pytest.mark.slow
def test_sample__whole(clone: Path) -> None:
    for line in steps("sample.toml"):
        follow(line)
    funnel = json.loads((clone / "sample" / "BUILD" / "report" / "funnel.json").read_text())
    assert funnel["inputs"] == 396 and sum(funnel["rejected"].values()) == 10
    assert len({row["style"] for row in rows(clone / "sample" / "BUILD")}) == len(STYLES)
    assert (clone / "sample" / "published" / "croissant.json").exists()
