"""Notes of what was made of builds and datasets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from emo8.engine import derived


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own" / "derived.jsonl"
    monkeypatch.setenv(derived.VARIABLE, str(path))
    return path


def folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def test_made_of__follows_what_was_made_of_what(tmp_path: Path, notes: Path) -> None:
    build, other = folder(tmp_path / "BUILD" / "dataset").parent, folder(tmp_path / "OTHER")
    release, cache, run = (folder(tmp_path / name) for name in ("DIR", "views", "RUN"))
    derived.note("release", release, build)
    derived.note("release", release, build)
    derived.note("cache", cache, release)
    derived.note("run", run, build / "dataset")
    derived.note("release", folder(tmp_path / "DIR2"), other)
    assert len(notes.read_text().splitlines()) == 4
    assert {one.path.name for one in derived.made_of([build])} == {"DIR", "views", "RUN"}
    assert [one.path.name for one in derived.made_of([release])] == ["views"]
    cache.rmdir()
    assert derived.made_of([release]) == []


def test_note__passes_over_names_on_the_hub_and_torn_lines(tmp_path: Path, notes: Path) -> None:
    derived.note("run", folder(tmp_path / "RUN"), "user/name")
    assert not notes.exists()
    derived.note("run", tmp_path / "RUN", folder(tmp_path / "DATA"))
    notes.write_text(notes.read_text() + '["torn\n')
    assert [one.kind for one in derived.made_of([tmp_path / "DATA"])] == ["run"]


def test_note__where_nothing_can_be_written_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (os.devnull, "/proc/none/derived.jsonl"):
        monkeypatch.setenv(derived.VARIABLE, place)
        derived.note("run", folder(tmp_path / "RUN"), tmp_path)
        assert derived.made_of([tmp_path]) == []
