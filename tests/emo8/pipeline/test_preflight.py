"""Mistakes that would be met last are found before a picture is looked at."""

from pathlib import Path

import pytest

from emo8.core.errors import Emo8Error
from emo8.pipeline.run import build
from tests.conftest import encoded, picture


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('[publish]\nanswers = { purpos = "x" }', "'purpos'.*'purpose'"),
        ('[votes]\nscale = "1-nine"', r"votes\.scale = '1-nine'"),
        ('[votes]\ncolumns = { idd = "x" }', r"votes\.columns.*'idd'.*'id'"),
        ('[splits]\nkeep = ["published-v1"]', "keep: .*published-v1 holds no parquet"),
    ],
)
def test_build__mistakes_of_the_last_steps_are_found_first(
    tmp_path: Path, section: str, words: str
) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.jpg").write_bytes(encoded(picture(1)))
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        '[[source]]\nkind = "folder"\npath = "p"\nstyle = "natural"\n'
        f'[labels]\nclip = ["embedded"]\n[people]\ndetector = "off"\n{section}\n'
    )
    with pytest.raises(Emo8Error, match=words):
        build(recipe, tmp_path / "BUILD", workers=1)
    assert not (tmp_path / "BUILD" / "rows").exists()
