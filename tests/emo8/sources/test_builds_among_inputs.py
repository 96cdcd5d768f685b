"""A build that lies among the pictures it is made from is none of them."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8 import sources
from emo8.core.errors import SourceError
from emo8.core.read_recipe import parse_recipe
from emo8.engine import build_folder
from emo8.sources.base import Candidate, Chunk
from tests.conftest import encoded, picture

Read = Callable[..., list[Candidate]]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two pictures, and a build of them below them with a report of its own."""
    root = tmp_path / "pictures"
    (root / "BUILD" / "report").mkdir(parents=True)
    (root / "BUILD" / build_folder.RESOLVED).write_text(json.dumps({"recipe_path": "r.toml"}))
    for seed, name in enumerate(("a.jpg", "b.jpg", "BUILD/report/figure.jpg")):
        (root / name).write_bytes(encoded(picture(seed)))
    return root


def _plan(tmp_path: Path, **source: str) -> list[Chunk]:
    recipe = parse_recipe({"source": [source]}, where="recipe.toml")
    return sources.plan(recipe, tmp_path)


def test_folder__a_build_inside_is_left_out_and_said(pictures: Path, candidates: Read) -> None:
    source = {"kind": "folder", "path": "pictures", "style": "cartoon"}
    assert [one.source_path for one in candidates(**source)] == ["a.jpg", "b.jpg"]
    (chunk,) = _plan(pictures.parent, **source)
    assert chunk.notes == (("left out", "folders that are builds: BUILD", 1),)


def test_folder__the_report_of_a_build_changes_no_part(pictures: Path) -> None:
    source = {"kind": "folder", "path": "pictures", "style": "cartoon"}
    (before,) = _plan(pictures.parent, **source)
    (pictures / "BUILD" / "report" / "more.jpg").write_bytes(encoded(picture(9)))
    (after,) = _plan(pictures.parent, **source)
    assert before.fingerprint() == after.fingerprint()


def test_folder__a_file_named_like_ours_makes_no_build(pictures: Path, candidates: Read) -> None:
    (pictures / "BUILD" / build_folder.RESOLVED).write_text('{"screen": "1080p"}')
    found = candidates(kind="folder", path="pictures", style="cartoon")
    assert len(found) == 4


def test_table__files_of_a_build_that_two_stars_find_are_left_out_and_said(
    pictures: Path, candidates: Read, caplog: pytest.LogCaptureFixture
) -> None:
    rows = pa.table({"image": [(pictures / "a.jpg").read_bytes()]})
    pq.write_table(rows, pictures / "mine.parquet")
    pq.write_table(rows, pictures / "BUILD" / "report" / "part-0.parquet")
    with caplog.at_level(logging.WARNING):
        found = candidates(kind="table", path="pictures/**/*.parquet", style="cartoon")
    assert [one.source_path for one in found] == ["mine.parquet#0"]
    assert "1 files left out that lie in builds: BUILD" in caplog.text
    named = candidates(kind="table", path="pictures/BUILD/**/*.parquet", style="cartoon")
    assert len(named) == 1  # whoever names the build means it
    (pictures / "mine.parquet").unlink()
    with pytest.raises(SourceError, match="no file matches"):
        candidates(kind="table", path="pictures/**/*.parquet", style="cartoon")
