"""The second day at the command line: pictures change, people vote, somebody looks for a file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emo8.cli import main
from emo8.report import page
from tests.conftest import encoded, picture, write_recipe

SOURCE = """
[[source]]
kind = "folder"
path = "pictures"
style = "natural"
license = "CC0-1.0"
"""


def shards(build: Path) -> dict[str, bytes]:
    """The released files of a build but the card, which counts runs."""
    root = build / "dataset"
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.parquet"))}


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_second_day__change_rebuild_vote_and_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(6):
        (pictures / f"{number}.png").write_bytes(encoded(picture(number), "PNG"))
    (pictures / "broken.png").write_bytes(encoded(picture(9), "PNG")[:400])
    recipe, build = write_recipe(tmp_path, SOURCE), tmp_path / "BUILD"
    assert run("build", recipe, "-o", build, "--workers", 1) == 0

    # pictures change; the same command, from another folder and by a relative path
    (pictures / "0.png").unlink()
    (pictures / "1.png").rename(pictures / "renamed.png")
    (pictures / "new.png").write_bytes(encoded(picture(20), "PNG"))
    monkeypatch.chdir(tmp_path)
    assert run("build", "recipe.toml", "-o", "BUILD", "--workers", 1) == 0
    assert run("build", "recipe.toml", "-o", "FRESH", "--workers", 1) == 0
    assert shards(build) == shards(tmp_path / "FRESH")

    # which file left, and do all pages count alike?
    capsys.readouterr()
    assert run("status", build, "--left") == 0
    assert "broken.png" in capsys.readouterr().out
    assert run("status", build, "--json") == 0
    funnel = json.loads(capsys.readouterr().out)["funnel"]
    steps = page.write(build)["steps"]
    assert (steps[0]["num_rows"], steps[-1]["num_rows"]) == (funnel["inputs"], funnel["kept"])
    assert funnel["inputs"] == 7 and funnel["kept"] == 6

    # a sheet is filled in, as a spreadsheet writes it, and the vote is the label
    sheet = tmp_path / "sheet.csv"
    assert run("review", build, "--export", sheet, "--pick", "all") == 0
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    voted = next(row for row in rows if row["source_path"] == "renamed.png")
    voted |= {"annotator": "ann", "emotion": "awe"}
    with sheet.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert run("review", build, "--import", sheet) == 0
    assert run("build", "recipe.toml", "-o", "BUILD", "--workers", 1) == 0
    verdicts = pq.read_table(build / "tables" / "verdicts.parquet").to_pylist()
    (label,) = [row for row in verdicts if row["source_path"] == "renamed.png"]
    assert (label["emotion"], label["emotion_rule"]) == ("awe", "human")

    # what matches nothing is no promise
    monkeypatch.setenv("EMO8_REMOVALS", str(tmp_path / "removals.jsonl"))
    assert run("remove", "3.pgn", "--from", build, "--reason", "asked") == 1
    assert "3.png" in "".join(capsys.readouterr())
