from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.adapters import registry
from emo8.core.errors import SourceError


def test_info__every_benchmark_states_its_facts():
    for name in registry.BENCHMARKS:
        facts = registry.info(name)
        assert facts.name == name
        assert facts.get and facts.license and facts.layout


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        ("emotion_faces", None, "needs --path"),
        ("emotion_faces", Path("nowhere.parquet"), "no such file"),
        ("emotion_face", None, "did you mean 'emotion_faces'"),
        ("nowhere.parquet", None, "no such file"),
        ("./nowhere/here", None, "no such file or folder"),
        ("user/name", Path("x"), "goes with a registered benchmark"),
    ],
)
def test_read__mistakes_say_the_value_and_the_fix(data, path, message):
    with pytest.raises(SourceError, match=message):
        registry.read(data, path)


def test_read__hub_id_out_of_reach_names_it():
    with pytest.raises(SourceError, match="nobody/nothing-here: neither a dataset folder"):
        registry.read("nobody/nothing-here")


def test_read__other_single_files_are_refused(tmp_path):
    (tmp_path / "x.csv").write_text("image,emotion\n")
    with pytest.raises(SourceError, match=r"only \.parquet"):
        registry.read(str(tmp_path / "x.csv"))
