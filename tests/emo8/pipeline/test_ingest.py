"""One bad input costs one row; what could not be read is tried again; what was made is told."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8 import sources
from emo8.cli import main
from emo8.pipeline.run import build
from emo8.report import understood
from tests.conftest import encoded, picture, write_recipe


def rejected(folder: Path) -> dict[str, str]:
    left = pq.read_table(folder / "BUILD" / "tables" / "rejected.parquet").to_pylist()
    return {row["source_path"]: row["reason"] for row in left}


def test_ingest__a_share_that_drops_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p").mkdir()
    for n in range(3):
        (tmp_path / "p" / f"{n}.jpg").write_bytes(encoded(picture(n)))
    recipe = write_recipe(tmp_path, '[[source]]\nkind = "folder"\npath = "p"\nstyle = "natural"')
    command = ["build", str(recipe), "-o", str(tmp_path / "BUILD"), "--workers", "1"]
    plan = sources.plan

    def dropping(*arguments: Any) -> Any:
        found = plan(*arguments)
        (tmp_path / "p" / "1.jpg").rename(tmp_path / "1.jpg")
        return found

    monkeypatch.setattr(sources, "plan", dropping)
    assert main(command) == 1
    assert "1 inputs could not be read now" in capsys.readouterr().err
    assert rejected(tmp_path) == {"1.jpg": "unreachable"}
    (tmp_path / "1.jpg").rename(tmp_path / "p" / "1.jpg")
    assert main(["status", str(tmp_path / "BUILD"), "--json"]) == 0
    assert not json.loads(capsys.readouterr().out)["complete"]
    monkeypatch.setattr(sources, "plan", plan)
    assert main(command) == 0
    assert rejected(tmp_path) == {}
    assert build(recipe, tmp_path / "BUILD", workers=1).already_complete


def test_ingest__one_bad_row_costs_itself(tmp_path: Path) -> None:
    cells = [{"bytes": encoded(picture(n)), "path": None} for n in range(4)]
    lines = [
        {"image": cells[0], "caption": "fine", "people": None},
        {"image": cells[1], "caption": "\ud83d lone", "people": "not json"},
        {"image": cells[2], "caption": "deep", "people": "[" * 100_000},
        {"image": {"bytes": None, "path": "loop.jpg"}, "caption": "loop", "people": None},
        {"image": {"bytes": None, "path": "pipe.jpg"}, "caption": "pipe", "people": None},
    ]
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    texts = [{**line, "image": f"{n}.jpg"} for n, line in enumerate(lines[:3])]
    for n in range(3):
        (tmp_path / f"{n}.jpg").write_bytes(cells[n]["bytes"] or b"")
    texts += [{"image": "loop.jpg"}, {"image": "pipe.jpg"}, {"image": 7}, {"image": [1, 2]}]
    (tmp_path / "t.json").write_text(json.dumps(texts))
    recipe = write_recipe(
        tmp_path, '[[source]]\nkind = "table"\npath = "t.json"\nstyle = "natural"'
    )
    result = build(recipe, tmp_path / "BUILD", workers=1)
    assert result.failed_parts == 0
    assert result.funnel["kept"] == 3
    assert rejected(tmp_path) == {
        "loop.jpg": "refused_path",
        "pipe.jpg": "refused_path",
        "t.json#5": "bad_row",
        "t.json#6": "bad_row",
    }


def test_understood__is_told_by_build_status_and_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in range(4):
        path = tmp_path / f"{n}.{'png' if n == 3 else 'jpg'}"
        path.write_bytes(encoded(picture(n), "PNG" if n == 3 else "JPEG"))
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "emotion", "caption", "people", "split"])
        writer.writerow(["0.jpg", "fear", "one", "[[0.1, 0.1, 0.9, 0.9]]", "train"])
        writer.writerow(["1.jpg", "Neutral", "None", "[[40, 30, 120, 110]]", "train"])
        writer.writerow(["2.jpg", "awe", "['two', 'three']", "", "val"])
        writer.writerow(["3.png", "", "", "", "val"])
    body = '[[source]]\nkind = "table"\npath = "t.csv"\nstyle = "natural"\nkeep_splits = true'
    recipe = write_recipe(tmp_path, body)
    out = str(tmp_path / "BUILD")
    assert main(["build", str(recipe), "-o", out, "--workers", "1"]) == 0
    said = capsys.readouterr().out
    block = said[said.index("understood as") :]
    assert "formats   3 JPEG; 1 PNG" in block
    assert "2 named by column emotion; 1 'Neutral' is left to CLIP (none of ours)" in block
    assert "1 fractions; 1 not understood and not used (numbers over 1" in block
    assert "1 lists of several: the first is taken" in block
    assert "2 train kept; 2 val kept" in block
    assert main(["build", str(recipe), "-o", out, "--workers", "1"]) == 0
    again = capsys.readouterr().out
    assert "already complete" in again
    assert again[again.index("understood as") :] == block
    assert main(["status", out, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["understood"]
    assert found["formats"] == {"JPEG": 3, "PNG": 1}
    assert (
        "| labels | 2 named by column emotion;"
        in (tmp_path / "BUILD" / "dataset" / "README.md").read_text()
    )


def test_metadata__rare_words_of_a_long_topic_are_one_line() -> None:
    notes = understood.Notes({("labels", f"word {n}"): 1 for n in range(500)})
    lines = json.loads(understood.metadata(notes)[understood.KEY])
    assert len(lines) == understood.MOST_WORDS + 1
    assert sum(count for _, _, count in lines) == 500


def test_ingest__unknown_splits_are_an_error_with_the_line_to_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {"image": [encoded(picture(n)) for n in range(2)], "split": ["train2017", "val2017"]}
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")
    body = '[[source]]\nkind = "table"\npath = "t.parquet"\nstyle = "natural"\nkeep_splits = true\n'
    command = ["build", str(write_recipe(tmp_path, body)), "-o", str(tmp_path / "BUILD")]
    assert main(command) == 2
    assert 'splits = { "train2017" = "train" }' in capsys.readouterr().err
    body += 'splits = { train2017 = "train", val2017 = "val" }'
    write_recipe(tmp_path, body)
    assert main([*command, "--workers", "1"]) == 0
    assert "1 train2017 is train; 1 val2017 is val" in capsys.readouterr().out
