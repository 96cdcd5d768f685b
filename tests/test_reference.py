"""docs/reference says what the code says."""

import dataclasses

import pytest

from docs import make_reference
from emo8.cli import COMMANDS
from emo8.core import settings

PAGES = make_reference.pages()


@pytest.mark.parametrize("name", PAGES)
def test_page__is_what_the_code_gives(name: str) -> None:
    found = (make_reference.FOLDER / name).read_text("utf-8")
    assert found == PAGES[name], "run python -m docs.make_reference"


def test_folder__holds_nothing_else() -> None:
    assert {path.name for path in make_reference.FOLDER.iterdir()} == set(PAGES)


def test_recipe__every_key_has_a_meaning() -> None:
    text = PAGES["recipe.md"]
    for each in dataclasses.fields(settings.FetchConfig):
        assert f"| `{each.name}` |" in text
    empty = [line for line in text.splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert not empty
    assert 'one of "folder", "archive"' in text  # a constant is spelled out
    assert "/root/" not in "".join(PAGES.values()) and "/home/" not in "".join(PAGES.values())


def test_pretraining__every_setting_has_a_meaning() -> None:
    lines = [line for line in PAGES["pretraining.md"].splitlines() if line.startswith("| `")]
    empty = [line for line in lines if line.endswith("|  |")]
    assert len(lines) > 80 and not empty


def test_commands__are_all_there() -> None:
    text = PAGES["commands.md"]
    for name in COMMANDS:
        assert f"### emo8 {name}\n" in text
    for title in (
        "uniemox pretrain",
        "uniemox predict",
        "emo8-bench run",
    ):
        assert f"### {title}\n" in text
