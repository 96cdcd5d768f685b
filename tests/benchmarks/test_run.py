from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.results.result import append
from emo8.core.errors import Emo8Error, ModelError, SourceError
from tests.benchmarks.conftest import NAMES, face_rows, write


def test_result__has_the_contracts_fields(faces, measure):
    (result,) = measure(faces, protocols=("linear",))
    assert result["model"] == "pixels:4"
    assert (result["dataset"], result["protocol"]) == ("faces", "linear")
    assert (result["group"], result["seed"], result["n"]) == (None, 0, 48)
    names = {"accuracy", "macro_f1", "balanced_accuracy", "ece", "top3"}
    assert set(result["metrics"]) == names
    assert result["baselines"]["chance"] == 0.25
    assert result["labels"] == "human, source"
    assert result["metrics"]["accuracy"] > 0.6
    assert set(result["recall"]) == set(NAMES) == set(result["support"])
    for name in ("accuracy", "macro_f1"):
        low, high = result["interval95"][name]
        assert low < result["metrics"][name] < high
    assert "/" not in json.dumps(result)  # no path leaks into results


def test_result__is_the_same_for_the_same_seed(faces, measure, tmp_path):
    first, again = (
        measure(faces, protocols=("linear",), cache=tmp_path / name)[0] for name in ("a", "b")
    )
    assert first == again
    other = measure(faces, seeds=(1,))[0]
    assert other["config_hash"] != first["config_hash"]


def test_config_hash__follows_labels_and_not_the_place(faces, measure, tmp_path):
    (first,) = measure(faces)
    (moved,) = measure(faces.rename(tmp_path / "elsewhere.parquet"))
    assert moved["config_hash"] == first["config_hash"]
    rows = face_rows()
    rows[0]["emotion"] = next(n for n in NAMES if n != rows[0]["emotion"])
    assert measure(write(rows, faces))[0]["config_hash"] != first["config_hash"]


def test_labels__made_by_clip_never_count(measure, tmp_path):
    rows = face_rows(10)
    clip = [row | {"emotion": "fear", "emotion_rule": "clip"} for row in face_rows(5, seed=3)]
    path = write(rows + clip, tmp_path / "mixed.parquet")
    (counted,) = measure(path)
    assert counted["n"] == 40
    assert counted["left_out"] == {"emotion_rule clip": 20}
    (everything,) = measure(path, labels="all")
    assert (everything["n"], everything["labels"]) == (60, "all")


def test_labels__without_any_that_count_is_an_error(measure, tmp_path):
    rows = [row | {"emotion_rule": "clip"} for row in face_rows(4)]
    with pytest.raises(SourceError, match=r"0 of 16 rows count.*16 x emotion_rule clip.*--labels"):
        measure(write(rows, tmp_path / "clip.parquet"))


def test_group__leaves_each_value_out_once(faces, measure):
    results = measure(faces, group="vendor")
    assert [result["group"] for result in results] == ["left", "right"]
    assert [result["n"] for result in results] == [24, 24]
    assert all(result["n_train"] == 24 for result in results)
    assert results[0]["config_hash"] != results[1]["config_hash"]
    assert results[0]["group_column"] == "vendor"


def test_group__with_cluster_trains_on_neither(faces, measure):
    results = measure(faces, group="vendor", cluster="codepoint", folds=3)
    assert [result["n"] for result in results] == [24, 24]
    assert results[0]["n_train"] == 16  # a third of the code points is left out too
    assert "copies" in results[0]["notes"][0]


def test_group__unknown_column_names_file_and_columns(faces, measure):
    with pytest.raises(SourceError, match=r"--group artist: .*faces\.parquet.*vendor"):
        measure(faces, group="artist")


def test_group__rows_without_value_are_left_out(measure, tmp_path):
    rows = face_rows()
    rows[0]["vendor"] = None
    results = measure(write(rows, tmp_path / "f.parquet"), group="vendor")
    assert sum(result["n"] for result in results) == 47
    assert results[0]["left_out"] == {"no vendor": 1}


def test_group__folds_without_cluster_is_an_error(faces, measure):
    with pytest.raises(Emo8Error, match="makes its own folds"):
        measure(faces, group="vendor", folds=3)


def test_skipped__a_broken_picture_costs_its_row(measure, tmp_path, sample_pictures):
    rows = face_rows()
    rows[3]["image"] = rows[3]["image"][:60]
    rows[5]["image"] = b"not a picture"
    rows[7]["image"] = next(p for p in sample_pictures if p.suffix == ".jpg").read_bytes()
    (result,) = measure(write(rows, tmp_path / "f.parquet"))
    assert result["n"] == 46
    assert sum(result["skipped"].values()) == 2
    assert result["skipped"]["not_an_image"] == 1


def test_rare_emotion__is_left_out_with_a_note(measure, tmp_path):
    rows = face_rows() + face_rows(1, names=("awe",), seed=9)
    rows = [r for r in rows if r["emotion"] != "awe"][:36] + rows[-1:]
    (result,) = measure(write(rows, tmp_path / "f.parquet"))
    assert "awe" not in result["emotions"]
    assert result["notes"] == [
        "own split not used: no counted rows in train (found: no split)",
        "awe left out: 1 rows in 1 clusters, 5 folds need as many clusters",
    ]


def test_models__several_with_several_protocols_and_seeds(faces, measure):
    results = measure(
        faces,
        models=("pixels:4", "pixels:2"),
        protocols=("knn", "few_shot"),
        shots=(1, 2),
        seeds=(0, 1),
    )
    assert len(results) == 2 * 2 * 3
    assert len({result["config_hash"] for result in results}) == 12


def test_zero_shot__without_text_side_is_an_error_before_work(measure):
    with pytest.raises(ModelError, match="pixels:4 has no text side"):
        measure("nowhere.parquet", protocols=("zero_shot",))


def test_append__adds_lines(tmp_path: Path):
    out = tmp_path / "deep" / "r.jsonl"
    append({"a": 1}, out)
    append({"a": 2}, out)
    assert [json.loads(line)["a"] for line in out.read_text().splitlines()] == [1, 2]


def test_emotion_faces__pixels_see_twemoji_better_than_chance(measure, corpus):
    results = measure(
        "emotion_faces",
        path=corpus / "emotion_faces.parquet",
        models=("pixels:16",),
        protocols=("knn",),
        group="family",
    )
    assert sum(result["n"] for result in results) == 839
    found = {result["group"]: result["metrics"]["accuracy"] for result in results}
    assert len(found) == 7
    assert found["twemoji"] > 0.4
