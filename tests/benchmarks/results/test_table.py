from __future__ import annotations

import json

import pytest

from benchmarks.results import table
from emo8.core.errors import SourceError


def result(**changes):
    base = {
        "model": "pixels:16",
        "dataset": "a_b",
        "protocol": "knn",
        "group": None,
        "seed": 0,
        "n": 50,
        "metrics": {"accuracy": 0.5, "macro_f1": 0.4},
        "interval95": {"accuracy": [0.4, 0.6], "macro_f1": [0.3, 0.5]},
        "baselines": {"chance": 0.125, "majority": 0.2},
    }
    merged = base | changes
    return merged | {"config_hash": json.dumps(merged)}


def test_rows__seeds_are_averaged_and_counted():
    better = result(seed=1, metrics={"accuracy": 0.7, "macro_f1": 0.6})
    (line,) = table.rows([result(), better])
    assert line[4] == "0.600 [0.400, 0.600]"
    assert line[-2:] == ("50", "2")


def test_rows__groups_get_a_mean_line():
    lines = table.rows([result(group=g, group_column="vendor") for g in ("x", "y")])
    assert [line[1] for line in lines] == ["vendor=x", "vendor=y", "mean of vendor"]
    assert lines[-1][8] == "100"


def test_rows__unseen_clusters_have_their_own_mean():
    plain, unseen = (result(group="x", group_column="v", cluster_column=c) for c in (None, "c"))
    groups = [line[1] for line in table.rows([plain, unseen])]
    assert groups == ["v=x", "v=x, unseen c", "mean of v", "mean of v, unseen c"]


def test_rows__all_labels_are_marked():
    assert table.rows([result(labels="all")])[0][0] == "a_b (all labels)"


def test_read_results__last_of_one_config_wins(tmp_path):
    path = tmp_path / "r.jsonl"
    old, new = result(), result() | {"n": 51}
    path.write_text(f"{json.dumps(old)}\n\n{json.dumps(new)}\n")
    assert [r["n"] for r in table.read_results([path])] == [51]


def test_read_results__bad_line_is_named(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(result()) + '\n{"model": ')
    with pytest.raises(SourceError, match=r"r\.jsonl, line 2 is not JSON"):
        table.read_results([path])
    path.write_text("{}\n")
    with pytest.raises(SourceError, match="not a result of emo8-bench: no model"):
        table.read_results([path])
    with pytest.raises(SourceError, match="cannot be read"):
        table.read_results([tmp_path / "none.jsonl"])


def test_formats__escape():
    lines = table.rows([result(model="a|b<c>&_{}\\")])
    assert "a\\|b" in table.markdown(lines)
    assert "a|b&lt;c&gt;&amp;" in table.html_table(lines)
    assert r"a|b<c>\&\_\{\}\textbackslash{}" in table.latex(lines)


def test_tables__say_how_many_test_pictures_a_model_was_trained_on():
    seen = result(model="RUN", seen={"exact": 20, "near": 4})
    (one,) = table.tables([result(), seen])
    assert one.header[-1] == "trained on"
    assert [line[-1] for line in one.lines] == ["", "24 of 50 test pictures"]
    assert table.tables([result()])[0].header[-1] != "trained on"
    (caveat,) = table.caveats([result(), seen, seen])
    assert caveat.startswith("RUN was trained on 24 of 50 test pictures of a_b")
