"""Copies that carry different labels: told in the row, in the status, and first in the queue."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from emo8.cli import main
from tests.conftest import encoded, picture

RECIPE = """
name = "disputed"
[[source]]
kind = "folder"
path = "p"
style = "natural"
emotion_from = "folder"
[labels]
clip = ["embedded"]
[people]
detector = "off"
"""


def _write(root: Path) -> None:
    """One file under two labels, one picture saved again under another, one twice under one."""
    same, agreed, other = (encoded(picture(k, (160, 120)), "JPEG") for k in range(3))
    saved = picture(3, (160, 120))
    files = {
        "awe/same.jpg": same, "fear/same.jpg": same, "awe/other.jpg": other,
        "anger/agreed.jpg": agreed, "anger/again.jpg": agreed,
        "awe/saved.jpg": _jpeg(saved, 95), "sadness/saved.jpg": _jpeg(saved, 80),
    }  # fmt: skip
    for name, data in files.items():
        path = root / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / "recipe.toml").write_text(RECIPE)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    return encoded(image, "JPEG", quality=quality)


def test_build__copies_under_different_labels_are_told_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(tmp_path)
    build = str(tmp_path / "BUILD")
    assert main(["build", str(tmp_path / "recipe.toml"), "-o", build, "--workers", "1"]) == 0
    rows = [
        row
        for path in (tmp_path / "BUILD" / "dataset" / "data").rglob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    assert len(rows) == 5  # both of the picture that was saved again stay, in one cluster
    copies = sorted(copy["emotion"] for row in rows for copy in row["also_from"])
    assert copies == ["anger", "fear"]
    capsys.readouterr()
    assert main(["status", build]) == 0
    assert "2 pictures have copies under different labels: 3 rows stay" in capsys.readouterr().out
    assert main(["status", build, "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["disputed"]
    assert counts == {"clusters": 2, "rows": 3, "open": 3}
    for pick in ("queue", "errors"):
        sheet = tmp_path / f"{pick}.csv"
        assert main(["review", build, "--export", str(sheet), "--pick", pick]) == 0
        lines = list(csv.DictReader(sheet.open()))
        first = {line["source_path"].rpartition("/")[2] for line in lines[:3]}
        assert first == {"same.jpg", "saved.jpg"}
