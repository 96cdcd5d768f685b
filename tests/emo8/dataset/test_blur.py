"""Faces blurred before publishing: what is found, what is left, and what the rows say."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from emo8.dataset.blur import blur, faces
from emo8.pipeline.run import build
from tests.conftest import encoded


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """A photograph of one person who looks at the camera; public domain, ships with skimage."""
    data = pytest.importorskip("skimage.data")
    return np.asarray(data.astronaut())


def test_faces__a_face_turned_to_the_camera_is_found(photograph: np.ndarray) -> None:
    assert any(
        x0 < 225 < x1 and y0 < 110 < y1 and x1 - x0 < 250 for x0, y0, x1, y1 in faces(photograph)
    )


def test_blur__the_face_is_gone_for_the_finder_and_the_rest_stays(photograph: np.ndarray) -> None:
    out, count = blur(photograph, None)
    assert count >= 1
    assert not any(x0 < 225 < x1 and y0 < 110 < y1 for x0, y0, x1, y1 in faces(out))
    assert np.array_equal(out[-60:, -60:], photograph[-60:, -60:])
    assert not np.array_equal(out[100:120, 215:235], photograph[100:120, 215:235])


def test_blur__person_boxes_lose_their_upper_part_only() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 80, 3), np.uint8)
    box = {"x0": 0.25, "y0": 0.0, "x1": 0.75, "y1": 1.0, "score": 1.0}
    out, count = blur(noise, [box])
    assert count == 1 + len(faces(noise))
    assert out[:30, 20:60].std() < noise[:30, 20:60].std() / 4
    assert np.array_equal(out[40:], noise[40:])
    edge = {"x0": 0.999, "y0": 0.999, "x1": 1.0, "y1": 1.0, "score": 1.0}
    assert blur(noise, [edge])[1] == 1


@pytest.mark.slow
def test_build__blur_faces_is_recorded_and_undone(photograph: np.ndarray, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "person.jpg").write_bytes(encoded(Image.fromarray(photograph), quality=95))
    rng = np.random.default_rng(1)
    tiles = rng.integers(0, 256, (12, 12, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(tiles).save(folder / "tiles.png")
    body = (
        '[[source]]\nkind = "folder"\npath = "pictures"\nstyle = "natural"\nlicense = "CC0-1.0"\n'
    )
    body += '[labels]\nclip = ["embedded"]\n[people]\ndetector = "off"\n'
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(body)
    plain = recipe.read_text()
    rows = {}
    for asked in (False, True, False):
        recipe.write_text(plain + ("[publish]\nblur_faces = true\n" if asked else ""))
        build(recipe, tmp_path / "BUILD", workers=1)
        paths = (tmp_path / "BUILD" / "dataset" / "data").glob("*/*.parquet")
        table = pa.concat_tables(pq.read_table(path) for path in paths)
        found = {row["width"]: row for row in table.to_pylist()}
        if asked:
            assert found[512]["faces_blurred"] >= 1
            assert found[96]["faces_blurred"] == 0
            shown = np.asarray(Image.open(io.BytesIO(found[512]["image"]["bytes"])))
            assert not any(x0 < 225 < x1 and y0 < 110 < y1 for x0, y0, x1, y1 in faces(shown))
            card = (tmp_path / "BUILD" / "dataset" / "README.md").read_text()
            assert "blurred in 1 rows" in card
        else:
            assert found[512]["faces_blurred"] is None
            rows.setdefault("plain", found[512]["image"]["bytes"])
            assert found[512]["image"]["bytes"] == rows["plain"]
