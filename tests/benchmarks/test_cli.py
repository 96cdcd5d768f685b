from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.cli import main


def test_help__needs_no_dependency():
    script = "import sys; from benchmarks.cli import main; main(['run', '--help'])"
    found = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "--protocol" in found.stdout


def test_run__appends_and_table_shows(faces, tmp_path, capsys):
    out = tmp_path / "r.jsonl"
    arguments = ["run", "--model", "pixels:4", "--data", str(faces), "--protocol", "knn", "linear"]
    assert main([*arguments, "--cache", str(tmp_path / "c"), "--out", str(out)]) == 0
    assert [json.loads(line)["protocol"] for line in out.read_text().splitlines()] == [
        "knn",
        "linear",
    ]
    assert "pixels:4 knn: accuracy" in capsys.readouterr().out
    assert main(["table", str(out), "--format", "markdown"]) == 0
    assert capsys.readouterr().out.count("| faces |") == 2


def test_run__mistake_is_one_line_and_exit_2(faces, tmp_path, capsys):
    out = str(tmp_path / "r.jsonl")
    arguments = ["run", "--data", str(faces), "--protocol", "knn", "--out", out, "--model"]
    assert main([*arguments, "embeded"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("emo8-bench: --model embeded")
    assert "Traceback" not in said


def test_run__output_that_cannot_be_written_is_said_first(tmp_path, capsys):
    arguments = ["run", "--model", "pixels:4", "--data", "x", "--protocol", "knn", "--out"]
    assert main([*arguments, str(tmp_path)]) == 2
    assert "cannot be written: Is a directory" in capsys.readouterr().err


def test_run__protocol_that_is_not_there_lists_the_others(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", "--model", "pixels:4", "--data", "x", "--protocol", "attentiv", "--out", "y"])
    assert stop.value.code == 2
    assert "zero_shot" in capsys.readouterr().err


def test_list__names_benchmarks_and_protocols(capsys):
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "emotion_faces" in said and "linear" in said and "timm:NAME" in said


def test_command__whose_reader_stops_reading_ends_quietly() -> None:
    command = [sys.executable, "-m", "benchmarks.cli", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141
