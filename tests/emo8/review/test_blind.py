"""Sheets to vote on that do not sway the voter, with the pictures in them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from emo8.cli import main
from emo8.review import workbook

HINTS = {"source_path", "source", "style", "emotion_now", "rule_now", "emotion_clip"}


@pytest.fixture
def own(small: Path, tmp_path: Path) -> Path:
    """A copy of the small build, to vote on."""
    import shutil

    return Path(shutil.copytree(small / "BUILD", tmp_path / "BUILD"))


def _columns(file: Path) -> set[str]:
    with file.open(encoding="utf-8") as lines:
        return set(next(csv.reader(lines)))


def test_blind_sheet__holds_no_label_no_claim_and_no_path(own: Path, tmp_path: Path) -> None:
    open_, blind = tmp_path / "open.csv", tmp_path / "blind.csv"
    assert main(["review", str(own), "--export", str(open_), "--pick", "all"]) == 0
    assert main(["review", str(own), "--export", str(blind), "--pick", "all", "--blind"]) == 0
    assert _columns(open_) >= HINTS
    assert not HINTS & _columns(blind) and {"id", "annotator", "emotion"} <= _columns(blind)


def test_assigned_rows__are_exported_blind_unless_asked_otherwise(
    own: Path, tmp_path: Path
) -> None:
    assert main(["review", str(own), "--assign", "ann", "--limit", "3"]) == 0
    file = tmp_path / "ann.csv"
    words = ["review", str(own), "--export", str(file), "--annotator", "ann"]
    assert main(words) == 0
    assert not HINTS & _columns(file)
    assert main([*words, "--no-blind"]) == 0
    assert _columns(file) >= HINTS
    assert main([*words, "--yes-no"]) == 0
    assert _columns(file) >= HINTS
    assert main([*words, "--yes-no", "--blind"]) == 2


def test_xlsx__shows_each_picture_and_comes_back_filled_in(own: Path, tmp_path: Path) -> None:
    file = tmp_path / "sheet.xlsx"
    words = ["review", str(own), "--export", str(file), "--pick", "all", "--limit", "3"]
    assert main([*words, "--blind"]) == 0
    book = openpyxl.load_workbook(file)
    sheet: Any = book.active
    assert sheet["A1"].value == "look" and len(sheet._images) == 3
    assert [image.anchor._from.row for image in sheet._images] == [1, 2, 3]
    names = [cell.value for cell in sheet[1]]
    sheet.cell(2, names.index("annotator") + 1, "ann")
    sheet.cell(2, names.index("emotion") + 1, "awe")
    book.save(file)
    assert main(["review", str(own), "--import", str(file), "--yes"]) == 0
    back = workbook.read(file)
    assert back["emotion"] == ["awe", "", ""] and len(back["id"][0]) == 64


def test_xlsx__a_text_that_excel_would_compute_is_text(tmp_path: Path) -> None:
    file = tmp_path / "sheet.xlsx"
    workbook.write(file, {"path": ["=1+1", "bell\x07.jpg"]}, [None, None], {})
    sheet: Any = openpyxl.load_workbook(file).active
    assert [sheet["B2"].data_type, sheet["B3"].value] == ["s", "bell.jpg"]
