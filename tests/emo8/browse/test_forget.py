"""Removed pictures leave FiftyOne's database with the build that leaves them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from emo8.browse import app, forget
from emo8.cli import main
from emo8.dataset import removal


def test_forget__samples_of_a_removed_picture_and_its_near_copy_are_deleted(
    fiftyone: Any,
    own: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(removal.LIST_VARIABLE, str(tmp_path / "removals.jsonl"))
    folder = own / "BUILD"
    dataset = app.prepare(str(folder)).dataset
    number = len(dataset)
    rows = pq.read_table(folder / "tables" / "verdicts.parquet").to_pylist()
    names = {row["id"] for row in rows if row["source_path"] in ("cartoon/2.jpg",)}
    (key,) = names
    assert sum(len(found) for _, found in forget.shown(folder, names)) == 1
    assert main(["remove", key, "--reason", "asked", "--from", str(folder)]) == 0
    assert main(["remove", "--prove", key, "--from", str(folder)]) == 1
    assert "FiftyOne's database): 2 samples" in capsys.readouterr().out
    assert main(["build", str(own / "recipe.toml"), "-o", str(folder), "--workers", "1"]) == 0
    assert "2 samples of removed pictures are deleted" in capsys.readouterr().out
    dataset.reload()
    assert len(dataset) == number - 2
    assert main(["remove", "--prove", key, "--from", str(folder)]) == 0
    again = app.prepare(str(folder)).dataset  # as what they are: removed, and nothing of them
    assert len(again) == number
    assert main(["remove", "--prove", key, "--from", str(folder)]) == 0
    assert forget.forget(folder) == 0
