"""Columns of tables and lists of links mean the same: `style_from` names one, whatever it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.sources.base import Candidate
from emo8.sources.records import map_columns
from tests.conftest import encoded, picture

Read = Callable[..., list[Candidate]]


@pytest.fixture
def table(tmp_path: Path) -> str:
    (tmp_path / "one.jpg").write_bytes(encoded(picture(0)))
    (tmp_path / "t.csv").write_text("image,folder,mood\none.jpg,cartoon,awe\n")
    return "t.csv"


def test_table__style_from_names_a_column_even_one_called_folder(
    table: str, candidates: Read
) -> None:
    (found,) = candidates(kind="table", path=table, style_from="folder", emotion_from="mood")
    assert found.data
    assert (found.claims.style, found.claims.emotion) == ("cartoon", "awe")


def test_table__a_column_that_is_not_there_is_named(table: str, candidates: Read) -> None:
    with pytest.raises(
        SourceError, match=r"t\.csv has no column 'genre'.*folder, mood.*style_from"
    ):
        candidates(kind="table", path=table, style_from="genre")
    with pytest.raises(SourceError, match=r"no column 'words' \(for caption\).*columns = "):
        candidates(kind="table", path=table, style="natural", columns={"caption": "words"})
    with pytest.raises(SourceError, match="no style"):
        candidates(kind="table", path=table)


@pytest.mark.parametrize(("kind", "needed"), [("table", "image"), ("urls", "url")])
def test_map_columns__is_the_same_for_pictures_and_links(kind: str, needed: str) -> None:
    source = SourceConfig(kind=kind, path="list.csv", style_from="folder")
    names = (needed, "style", "caption")
    found = map_columns(Path("list.csv"), [needed, "folder", "style"], source, names, needed)
    assert found == {needed: needed, "style": "folder"}
    with pytest.raises(SourceError, match=f"no column '{needed}'"):
        map_columns(Path("list.csv"), ["folder"], source, names, needed)
