"""Stored predictions, paired tests on them, tables of every task, published numbers, figures."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from benchmarks import cli
from benchmarks.results import compare, figures, predictions, table
from benchmarks.results.cases import cases
from emo8.core.errors import SourceError
from tests.benchmarks.conftest import NAMES, face, write


@pytest.fixture
def results(faces, tmp_path):
    out = tmp_path / "r.jsonl"
    code = cli.main(
        [
            "run",
            "--model",
            "pixels:4",
            "pixels:1",
            "--data",
            str(faces),
            "--protocol",
            "linear",
            "few_shot",
            "--draws",
            "3",
            "--cache",
            str(tmp_path / "c"),
            "--out",
            str(out),
        ]
    )
    assert code == 0
    return out


def test_predictions__say_what_the_result_says(results):
    for result in table.read_results([results]):
        found, about = predictions.read(results, result["config_hash"])
        assert about["names"] == result["emotions"]
        repeats = 3 if result["protocol"] == "few_shot" else 1
        assert found.num_rows == result["n"] * repeats
        right = [a == b for a, b in zip(*(found.column(c).to_pylist() for c in
                                          ("label", "predicted")), strict=True)]  # fmt: skip
        assert sum(right) / len(right) == pytest.approx(result["metrics"]["accuracy"], abs=1e-6)
        assert all(len(id_) == 64 for id_ in found.column("id").to_pylist())
    with pytest.raises(SourceError, match="Run it again"):
        predictions.read(results, "0123")


def test_compare__best_against_the_others(results, capsys):
    found = compare.compare(results)
    assert {d.case[1] for d in found} == {"linear", "few_shot (5 shots)"}
    assert {d.test for d in found} == {"McNemar", "sign flips"}
    for d in found:
        assert d.gap >= 0 and d.low <= d.gap <= d.high and 0 < d.p <= d.corrected <= 1
    assert cli.main(["compare", str(results), "--base", "pixels:1"]) == 0
    assert "pixels:4" in capsys.readouterr().out
    assert cli.main(["compare", str(results), "--base", "nobody"]) == 2


def test_table__figures_and_formats(results, tmp_path, capsys):
    for form in ("markdown", "html", "latex"):
        code = cli.main(["table", str(results), "--format", form, "--figures", str(tmp_path / "f")])
        assert code == 0
        assert "pixels:4" in capsys.readouterr().out
    drawn = sorted(path.name.split("-")[0] for path in (tmp_path / "f").glob("*.svg"))
    assert set(drawn) == {"confusion", "reliability", "intervals.svg"}
    assert "<svg" in (tmp_path / "f" / "intervals.svg").read_text()


def test_table__mistakes_are_one_line(results, faces, tmp_path, capsys):
    assert cli.main(["table", str(faces)]) == 2
    assert "is no text: give a FILE.jsonl" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert cli.main(["table", str(results), "--figures", str(tmp_path / "file" / "f")]) == 2
    assert "--figures" in capsys.readouterr().err


def test_figures__one_line_per_case_and_a_colour_per_model(results, tmp_path):
    found = table.read_results([results])
    assert len({figures._case(c, r) for c, r in zip(cases(found), found, strict=True)}) == 2
    drawn = figures.draw(found, [results], tmp_path / "f")
    text = (tmp_path / "f" / "intervals.svg").read_text()
    assert all(color.lower() in text for color in figures.COLORS[:2])
    assert len([p for p in drawn if p.name.startswith("reliability")]) == 4


def test_published__marked_as_theirs_and_never_without_a_source(tmp_path):
    path = tmp_path / "p.toml"
    entry = '[[result]]\ndataset = "fi"\nprotocol = "finetune"\nmodel = "M"\nmetric = "accuracy"\n'
    path.write_text(entry + 'value = "0.5"\nsource = "A (2020)"\nnotes = "other split"\n')
    (one,) = table.published({"fi"}, path)
    assert "published by others" in one.title
    assert one.lines[0][-1] == "other split"
    assert table.published({"emoset"}, path) == []
    path.write_text(entry + 'value = "0.5"\n')
    with pytest.raises(SourceError, match="lacks source, notes"):
        table.published({"fi"}, path)
    (ours,) = table.published({"fi", "emoset"})
    assert {line[0] for line in ours.lines} == {"fi", "emoset"}
    assert all("not read in the source itself" in line[-1] for line in ours.lines)


def test_table__other_tasks_have_their_own_columns(tmp_path):
    result = {
        "model": "m", "dataset": "emotic", "protocol": "knn", "task": "multi_label", "n": 5,
        "metrics": {"mAP": 0.25}, "interval95": {"mAP": [0.2, 0.3]}, "seed": 0,
        "baselines": {"constant": 0.1}, "config_hash": "x", "group": None,
    }  # fmt: skip
    one, theirs = table.tables([result])
    assert one.title == "multi label" and "never to be ranked" in theirs.title
    assert one.lines[0][4:] == ("0.250 [0.200, 0.300]", "0.100", "5", "0")


def test_predictions__table_can_be_read_without_us(results):
    (path, *_) = sorted(results.with_suffix(".predictions").glob("*.parquet"))
    names = pq.read_schema(path).names
    assert names[:4] == ["id", "label", "predicted", "probs"]


def test_compare__two_tables_of_answers_per_emotion_style_and_people(tmp_path, capsys):
    rows = [
        {"id": f"p{i}", "image": face(NAMES[i % 4], i), "emotion": NAMES[i % 4],
         "style": ("natural", "cartoon")[i % 2], "people": [{"x0": 0.1}] * (i % 5)}
        for i in range(40)
    ]  # fmt: skip
    data = write(rows, tmp_path / "data.parquet")
    for name, wrong in (("good", 4), ("bad", 24)):
        lines = [f"p{i},{'nothing' if i < wrong else NAMES[i % 4]}" for i in range(40)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,answer", *lines]))
    files = [str(tmp_path / "good.csv"), str(tmp_path / "bad.csv")]
    argv = ["compare", *files, "--data", str(data), "--by", "emotion", "style", "people"]
    assert cli.main(argv) == 0
    told = capsys.readouterr().out
    assert "| good | bad | all | 40 | +0.500" in told
    assert "style cartoon | 20 " in told and "people 3 or more | 16 " in told
    assert "emotion awe | 10 " in told
    assert cli.main(["compare", *files]) == 2
    assert "--data" in capsys.readouterr().err


def test_compare__across_protocols(results, capsys):
    assert cli.main(["compare", str(results), "--across", "--by", "emotion"]) == 0
    told = capsys.readouterr().out
    assert "pixels:1, linear" in told and "few_shot (5 shots)" in told and "emotion fear" in told
