"""Results that were asked differently are never averaged or compared as one."""

from __future__ import annotations

import pytest

from benchmarks import cli
from benchmarks.results import compare, table
from benchmarks.results.cases import cases
from emo8.core.errors import SourceError
from tests.benchmarks.results.test_table import result


def test_cases__what_is_the_same_everywhere_stays_unsaid():
    same = {"settings": {"k": 1}, "split": "own"}
    one, two = cases([result(**same), result(model="m", **same)])
    assert (one.protocol, one.dataset, two.model) == ("knn", "a_b", "m")


@pytest.mark.parametrize(
    ("changes", "part", "words"),
    [
        ({"settings": {"neighbours": [1]}}, "protocol", "knn (neighbours 1)"),
        ({"split": "own"}, "protocol", "knn (split own)"),
        ({"view": "person"}, "protocol", "knn (person view)"),
        ({"person_crop": {"margin": 0.5}}, "protocol", 'knn (crop {"margin": 0.5})'),
        ({"leave_out": ["awe", "fear"]}, "dataset", "a_b (without awe fear)"),
        ({"cluster_column": "artist"}, "dataset", "a_b (cluster artist)"),
        ({"dataset_sha256": "b" * 64}, "dataset", "a_b (rows bbbbbbbb)"),
        ({"task": "polarity"}, "dataset", "a_b (polarity)"),
        ({"model_sha256": "b" * 64}, "model", "pixels:16 (weights bbbbbbbb)"),
    ],
)
def test_rows__no_mean_over_what_was_asked_differently(changes, part, words):
    facts = {
        "settings": {"neighbours": [5, 10]},
        "split": "5-fold",
        "dataset_sha256": "a" * 64,
        "model_sha256": "a" * 64,
    }
    found = [result(**facts), result(**facts | changes)]
    assert getattr(cases(found)[1], part) == words
    lines = table.rows(found)
    assert len(lines) == 2 and {line[8] for line in lines} == {"50"}


def test_cases__weights_from_the_seed_are_one_model():
    found = [result(model="random:b16", seed=s, model_sha256=str(s) * 64) for s in (0, 1)]
    assert len(table.rows(found)) == 1


def test_compare__settings_of_one_model_are_not_averaged(faces, tmp_path):
    out = tmp_path / "r.jsonl"
    run = ["run", "--model", "pixels:4", "--data", str(faces), "--cache", str(tmp_path / "c"),
           "--out", str(out), "--protocol", "knn"]  # fmt: skip
    for more in (["--set", "neighbours=1"], ["--set", "neighbours=40"], ["--task", "polarity"]):
        assert cli.main([*run, *more]) == 0
    with pytest.raises(SourceError, match=r"knn \(neighbours 40\)"):
        compare.compare(out)
    found = compare.compare(out, across=True)
    assert [d.case[0] for d in found] == ["faces"]
    names = {found[0].base, found[0].other}
    assert names == {"pixels:4, knn (neighbours 1)", "pixels:4, knn (neighbours 40)"}
