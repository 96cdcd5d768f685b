"""What img2dataset wrote, as a table and as a folder: failed links, turns, texts beside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8 import sources
from emo8.core.images import decode
from emo8.core.read_recipe import parse_recipe
from emo8.sources.base import Candidate, Chunk
from tests.conftest import encoded, picture

Read = Callable[..., list[Candidate]]
UPRIGHT = picture(1, (160, 120))
SIDEWAYS = encoded(UPRIGHT.rotate(90, expand=True), "JPEG")  # as stored; turned clockwise to show
TURN = json.dumps({"Image Orientation": "Rotated 90 CW"})


def _line(key: str, *, data: bytes | None, status: str = "success") -> dict[str, Any]:
    """One row as img2dataset 1.47 writes it."""
    return {
        "key": key, "jpg": data, "txt": "None", "url": f"https://a.example/{key}.jpg",
        "caption": f"caption {key}" if data else None, "status": status,
        "error_message": None if data else "HTTP Error 404: Not Found", "exif": TURN,
    }  # fmt: skip


def _fetched(path: Path) -> None:
    other = encoded(picture(2, (90, 120)), "JPEG")
    lines = [
        _line("000000000", data=SIDEWAYS),
        _line("000000001", data=None, status="failed_to_download"),
        _line("000000002", data=None, status="failed_to_resize"),
        {**_line("000000003", data=other), "exif": None},
    ]
    pq.write_table(pa.Table.from_pylist(lines), path)


def _is_upright(candidate: Candidate) -> bool:
    rgb = decode(candidate.data or b"").rgb
    return rgb.shape == (120, 160, 3) and bool(
        np.abs(rgb.astype(int) - np.asarray(UPRIGHT).astype(int)).mean() < 5
    )


def _plan(folder: Path, **source: Any) -> list[Chunk]:
    return sources.plan(parse_recipe({"source": [source]}, where="recipe.toml"), folder)


@pytest.mark.parametrize("columns", [{}, {"image": "jpg", "caption": "caption"}])
@pytest.mark.parametrize("part_rows", [1, 4])
def test_table__failed_links_are_no_inputs_and_pictures_are_turned(
    tmp_path: Path, candidates: Read, columns: dict[str, str], part_rows: int
) -> None:
    _fetched(tmp_path / "00000.parquet")
    options = {"kind": "table", "path": "*.parquet", "style": "natural", "columns": columns}
    first, second = candidates(part_rows=part_rows, **options)
    assert _is_upright(first)
    assert decode(second.data or b"").rgb.shape[:2] == (120, 90)
    assert [one.source_path for one in (first, second)] == ["00000.parquet#0", "00000.parquet#3"]
    assert first.claims.caption == "caption 000000000"
    assert first.claims.url == "https://a.example/000000000.jpg"
    (chunk,) = _plan(tmp_path, **options)
    assert chunk.notes[0][1:] == ("links that img2dataset could not fetch: no inputs", 2)


def test_table__a_status_that_is_not_img2datasets_leaves_rows_alone(
    tmp_path: Path, candidates: Read
) -> None:
    lines = [{"image": encoded(picture(n)), "status": "draft"} for n in range(2)]
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / "t.parquet")
    found = candidates(kind="table", path="t.parquet", style="natural")
    assert all(one.data for one in found) and len(found) == 2


def _files(root: Path) -> None:
    """img2dataset's `files` output of one shard."""
    folder = root / "p" / "00000"
    folder.mkdir(parents=True)
    meta = _line("000000000", data=b"x")
    del meta["jpg"], meta["txt"]
    (folder / "000000000.jpg").write_bytes(SIDEWAYS)
    (folder / "000000000.json").write_text(json.dumps(meta))
    (folder / "000000000.txt").write_text("0 0.5 0.5 0.2 0.2")
    (folder / "000000001.jpg").write_bytes(encoded(picture(2)))
    (folder / "000000001.json").write_text("[1")
    _fetched(root / "p" / "00000.parquet")
    (root / "p" / "00000_stats.json").write_text("{}")


def test_folder__img2datasets_files_are_two_pictures_with_claims(
    tmp_path: Path, candidates: Read
) -> None:
    _files(tmp_path)
    first, second = candidates(kind="folder", path="p", style="natural")
    assert _is_upright(first) and second.data
    assert first.claims.caption == "caption 000000000"
    assert first.claims.url == "https://a.example/000000000.jpg"
    assert second.claims.caption is None
    (chunk,) = _plan(tmp_path, kind="folder", path="p", style="natural")
    assert [note[2] for note in chunk.notes] == [2, 1, 2]
    assert "txt, not read" in chunk.notes[1][1]


def test_folder__texts_are_captions_where_the_recipe_says_so(
    tmp_path: Path, candidates: Read
) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.jpg").write_bytes(encoded(picture(1)))
    (tmp_path / "p" / "a.txt").write_text("a red door")
    (tmp_path / "p" / "alone.txt").write_text("no picture has my name")
    options = {"kind": "folder", "path": "p", "style": "natural"}
    found, alone = candidates(**options, columns={"caption": "txt"})
    assert found.claims.caption == "a red door"
    assert alone.source_path == "alone.txt" and alone.claims.caption is None
    assert candidates(**options)[0].claims.caption is None


def test_folder__folder_names_and_the_sidecar_win_over_texts_and_a_changed_text_is_read_again(
    tmp_path: Path, candidates: Read
) -> None:
    folder = tmp_path / "p" / "awe"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(encoded(picture(1)))
    said = {"emotion": "fear", "caption": "of the text", "license": "CC0-1.0"}
    (folder / "a.json").write_text(json.dumps(said))
    (tmp_path / "p" / "s.csv").write_text("file,caption\nawe/a.jpg,of the sidecar\n")
    options = {"kind": "folder", "path": "p", "style": "natural", "emotion_from": "folder",
               "sidecar": "s.csv"}  # fmt: skip
    (found,) = candidates(**options)
    claims = found.claims
    assert (claims.emotion, claims.caption, claims.license) == ("awe", "of the sidecar", "CC0-1.0")
    before = _plan(tmp_path, **options)[0].fingerprint()
    (folder / "a.json").write_text("{}   ")
    assert _plan(tmp_path, **options)[0].fingerprint() != before
