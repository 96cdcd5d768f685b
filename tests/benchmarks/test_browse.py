"""`emo8-bench browse` opens the results' dataset with their predictions."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cli import main


def _results(folder: Path, *datasets: str) -> Path:
    line = {
        "model": "embedded", "protocol": "knn", "n": 3, "metrics": {}, "interval95": {}, "seed": 0,
    }  # fmt: skip
    lines = [{**line, "dataset": name, "config_hash": str(k)} for k, name in enumerate(datasets)]
    path = folder / "results.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return path


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would have been run."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_browse__runs_emo8_browse_with_the_predictions(
    tmp_path: Path, called: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build" / "dataset").mkdir(parents=True)
    results = _results(tmp_path, "build/dataset", "build/dataset")
    assert main(["browse", str(results), "--no-open"]) == 0
    assert called[0][3:7] == ["browse", "build/dataset", "--predictions", str(results)]
    assert called[0][-1] == "--no-open"
    assert main(["browse", str(results), "--data", "BUILD"]) == 0
    assert called[1][4] == "BUILD"


def test_browse__a_dataset_that_is_not_here_must_be_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["browse", str(_results(tmp_path, "no such folder"))]) == 2
    assert "--data DATA" in capsys.readouterr().err
    assert main(["browse", str(_results(tmp_path, "a/b", "c/d"))]) == 2
    assert "choose one with --data" in capsys.readouterr().err
