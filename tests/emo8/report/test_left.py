"""What left a build: path, reason and number in the shell, and a page with the pictures."""

import csv
import json
from pathlib import Path

import pytest

from emo8.cli import main
from emo8.report import left


def test_left__names_every_file_that_left_as_the_funnel_counts_them(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(small / "BUILD"), "--left", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    funnel = json.loads((small / "BUILD" / "report" / "funnel.json").read_text())["rejected"]
    counted = {reason: sum(row["reason"] == reason for row in rows) for reason in funnel}
    assert counted == funnel and len(rows) == sum(funnel.values())
    tiny = next(row for row in rows if row["source_path"] == "cartoon/tiny.png")
    assert (tiny["reason"], tiny["value"], tiny["source"]) == ("too_small", 20, "pictures")


def test_left__of_one_reason_with_its_pictures_in_a_page(
    small: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    build = small / "BUILD"
    assert main(["status", str(build), "--left", "--reason", "duplicate_near"]) == 0
    said = capsys.readouterr().out
    assert "cartoon/recompressed.jpg" in said or "cartoon/2.jpg" in said
    assert "cartoon/tiny.png" not in said
    page = (build / left.PAGE).read_text()
    assert page.count("<img src=") == 1 and str(left.PAGE) in said
    assert main(["status", str(build), "--left", "--csv", str(tmp_path / "left.csv")]) == 0
    with (tmp_path / "left.csv").open() as file:
        paths = {row["source_path"] for row in csv.DictReader(file)}
    assert {"cartoon/broken.jpg", "cartoon/notes.jpg", "cartoon/copy.jpg"} <= paths


def test_left__page_says_where_there_is_no_picture(small: Path) -> None:
    build = small / "BUILD"
    text = left.write_page(build, left.left(build, "not_an_image")).read_text()
    assert "cartoon/notes.jpg" in text and "no picture" in text and "<img" not in text


def test_left__unknown_reason_offers_the_nearest_and_a_known_one_may_be_empty(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(small / "BUILD"), "--left", "--reason", "to_small"]) == 2
    assert "did you mean 'too_small'" in capsys.readouterr().err
    assert main(["status", str(small / "BUILD"), "--left", "--reason", "opt_out"]) == 0
    assert "nothing left for opt_out" in capsys.readouterr().out
