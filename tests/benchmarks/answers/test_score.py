"""`emo8-bench score` and `ceiling` from files to results."""

from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import cli
from benchmarks.answers.confidence import METRICS, Confidence
from tests.benchmarks.conftest import face, write

LABELS = ("awe", "fear", "awe", "sadness", "fear", "anger", "awe", "fear", "anger", "sadness")


@pytest.fixture
def data(tmp_path):
    rows = [
        {"id": f"p{i}", "image": face(name, i), "emotion": name, "emotion_rule": "human",
         "style": ("natural", "cartoon")[i % 2]}
        for i, name in enumerate(LABELS)
    ]  # fmt: skip
    rows.append({**rows[0], "id": "clip", "emotion_rule": "clip"})
    return write(rows, tmp_path / "data.parquet")


def scored(answers, data, tmp_path, *more):
    path = tmp_path / "answers.jsonl"
    if not answers[0].get("path_of_file"):
        path.write_text("\n".join(json.dumps(a) for a in answers))
    out = tmp_path / "out.jsonl"
    assert cli.main(["score", str(path), "--data", str(data), "--out", str(out), *more]) == 0
    return json.loads(out.read_text().splitlines()[-1])


def test_score__refusals_and_strange_words_are_wrong_and_counted(data, tmp_path, capsys):
    texts = ["awe", "Fear.", "awestruck", "I cannot tell.", "joy", "angry", None, "not awe, fear",
             "neither", "awe and sadness"]  # fmt: skip
    answers = [{"id": f"p{i}", "answer": text} for i, text in enumerate(texts)]
    found = scored(answers, data, tmp_path)
    metrics = found["metrics"]
    assert found["n"] == 10 and metrics["coverage"] == 1.0
    assert metrics["refused"] == 0.2  # "I cannot tell." and nothing
    assert metrics["off_vocabulary"] == 0.2  # joy, neither
    assert metrics["several"] == 0.1
    assert metrics["accuracy"] == pytest.approx((5 + 0.5) / 10)
    low, high = found["interval95"]["accuracy"]
    assert low < metrics["accuracy"] < high
    assert found["left_out"] == {"emotion_rule clip": 1}
    assert found["per_style"]["natural"]["n"] == 5
    assert {"model", "dataset", "protocol", "group", "seed", "config_hash"} <= set(found)
    assert "outside the vocabulary" in capsys.readouterr().out


def test_score__pictures_without_an_answer_lower_coverage_only(data, tmp_path):
    found = scored([{"id": "p0", "answer": "awe"}, {"id": "p1", "answer": "awe"}], data, tmp_path)
    assert found["n"] == 2
    assert found["metrics"]["accuracy"] == 0.5 and found["metrics"]["coverage"] == 0.2
    assert any("8 of 10 pictures have no answer" in note for note in found["notes"])


def test_score__the_same_from_csv_and_parquet_and_by_path(data, tmp_path):
    rows = [{"id": f"p{i}", "answer": name, "confidence": 0.5} for i, name in enumerate(LABELS)]
    expected = scored(rows, data, tmp_path)["metrics"]
    assert expected["accuracy"] == 1.0
    with (tmp_path / "a.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["id", "answer", "confidence"])
        table.writeheader()
        table.writerows(rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    out = tmp_path / "all.jsonl"
    files = [str(tmp_path / "a.csv"), str(tmp_path / "a.parquet")]
    assert cli.main(["score", *files, "--data", str(data), "--out", str(out)]) == 0
    for line in out.read_text().splitlines():
        assert json.loads(line)["metrics"] == expected
    tree = tmp_path / "tree"
    for name in ("awe", "fear"):
        (tree / name).mkdir(parents=True)
        (tree / name / f"{name}.png").write_bytes(face(name, 0))
    (tmp_path / "b.csv").write_text(f"path,answer\n{tree}/awe/awe.png,awe\nfear.png,scary\n")
    argv = ["score", str(tmp_path / "b.csv"), "--data", str(tree), "--out", str(out)]
    assert cli.main(argv) == 0
    assert json.loads(out.read_text().splitlines()[-1])["metrics"]["accuracy"] == 1.0


def test_score__distributions_and_lists(data, tmp_path):
    answers = [
        {"id": "p0", "answer": {"awe": 0.7, "fear": 0.3}},
        {"id": "p1", "probs": [0, 0.1, 0.2, 0, 0, 0, 0.6, 0.1]},  # in the order of the eight
        {"id": "p2", "answer": ["awe", "fear"]},
        {"id": "p3", "probs": {"joy": 0.9, "sadness": 0.1}},  # most of it on a strange label
        {"id": "p4", "answer": "fear", "probs": {"awe": 0.9, "fear": 0.1}},  # the answer counts
    ]
    found = scored(answers, data, tmp_path)
    assert found["metrics"]["accuracy"] == pytest.approx((1 + 1 + 0.5 + 0 + 1) / 5)
    assert found["metrics"]["off_vocabulary"] == 0.2
    odd = scored([{"id": "p0", "answer": "awe", "probs": [0.5, 0.5]}], data, tmp_path)
    assert odd["metrics"]["accuracy"] == 1.0
    assert any("1 lines have probs that are no shares" in note for note in odd["notes"])


def test_score__an_emotion_that_no_picture_has_is_wrong_and_not_strange(data, tmp_path):
    found = scored([{"id": "p0", "answer": "excitement"}, {"id": "p1", "answer": "joy"}], data,
                   tmp_path)  # fmt: skip
    assert found["metrics"]["off_vocabulary"] == 0.5
    assert found["metrics"]["accuracy"] == 0.0 and len(found["emotions"]) == 8


def test_score__mistakes_say_file_value_and_what_to_do(data, tmp_path, capsys):
    def says(text, *words):
        (tmp_path / "bad.csv").write_text(text)
        argv = [
            "score",
            str(tmp_path / "bad.csv"),
            "--data",
            str(data),
            "--out",
            str(tmp_path / "o"),
        ]
        assert cli.main(argv) == 2
        told = capsys.readouterr().err
        assert all(word in told for word in ("bad.csv", *words)), told

    says("picture,answer\np0,awe\n", "no column id or path", "picture")
    says("id,said\np0,awe\n", "no column answer", "said")
    says("id,answer\np0,awe\np0,fear\n", "lines 2 and 3", "repeat")
    says("id,answer\nx1,awe\n", "none of its 1 ids", "'x1'", "'p0'")
    assert not (tmp_path / "o").exists() or not (tmp_path / "o").read_text()


def test_score__repeats_show_consistency_and_position_bias(data, tmp_path):
    names = sorted(set(LABELS))
    answers = []
    for i in range(len(LABELS)):
        for repeat in range(4):
            order = names[repeat:] + names[:repeat]
            answers.append({"id": f"p{i}", "answer": "a", "repeat": repeat, "options": order})
    found = scored(answers, data, tmp_path)["metrics"]  # always the first option
    assert found["position_bias"] == pytest.approx(0.75)
    assert found["consistency"] == 0.0 and found["accuracy"] == pytest.approx(0.25)


def test_confidence__by_hand_and_against_scikit_learn():
    from sklearn.metrics import brier_score_loss, roc_auc_score

    rng = np.random.default_rng(0)
    sure = np.sort(rng.integers(0, 11, 400) / 10)[::-1]  # full of ties, of 0 and of 1
    right = (rng.random(400) < sure).astype(float)
    found = dict(zip(METRICS, Confidence(sure, right).measure(np.ones(400)), strict=True))
    assert found["auroc"] == pytest.approx(roc_auc_score(right, sure))
    assert found["brier"] == pytest.approx(brier_score_loss(right, sure))
    drawn = rng.integers(0, 400, 400)
    weight = np.bincount(drawn, minlength=400).astype(float)
    again = Confidence(sure, right).measure(weight)
    plain = Confidence(sure[drawn], right[drawn]).measure(np.ones(400))
    assert again == pytest.approx(plain)
    # risks 0, 1/2, 1/3 at coverages 1/3, 2/3, 1; equally sure answers come in together
    one = Confidence(np.array([0.9, 0.8, 0.7]), np.array([1.0, 0.0, 1.0]))
    assert one.measure(np.ones(3))[3] == pytest.approx((0 + 0.5 + 1 / 3) / 3)
    tied = Confidence(np.array([0.9, 0.9, 0.7]), np.array([1.0, 0.0, 1.0]))
    assert tied.measure(np.ones(3))[3] == pytest.approx((0.5 + 0.5 + 1 / 3) / 3)
    assert tied.curve()[-1] == (1.0, 0.3333)


def test_confidence__all_right_has_no_auroc(data, tmp_path):
    rows = [{"id": f"p{i}", "answer": name, "confidence": 1.0} for i, name in enumerate(LABELS)]
    found = scored(rows, data, tmp_path)
    assert found["metrics"]["auroc"] is None and found["interval95"]["auroc"] == [None, None]
    assert found["metrics"]["ece"] == found["metrics"]["brier"] == found["metrics"]["aurc"] == 0


def test_score__valence_and_arousal(tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(6):
        (tmp_path / "images" / f"t{i}.jpg").write_bytes(face("awe", i))
    (tmp_path / "OASIS.csv").write_text(
        "Theme,Valence_mean,Arousal_mean\n" + "".join(f"t{i},{i},{6 - i}\n" for i in range(6))
    )
    answers = "id,valence,arousal\n" + "".join(f"t{i}.jpg,{i + 1},{6 - i}\n" for i in range(5))
    (tmp_path / "a.csv").write_text(answers + "t5.jpg,,\n")
    out = tmp_path / "o.jsonl"
    argv = ["score", str(tmp_path / "a.csv"), "--data", "oasis", "--path", str(tmp_path)]
    assert cli.main([*argv, "--out", str(out)]) == 0
    metrics = json.loads(out.read_text())["metrics"]
    assert metrics["mae"] == 0.5 and metrics["pearson"] == pytest.approx(1.0)
    assert metrics["refused"] == pytest.approx(1 / 6, abs=1e-6)


def test_score__scales_of_several_askings_are_their_mean(tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(3):
        (tmp_path / "images" / f"t{i}.jpg").write_bytes(face("awe", i))
    (tmp_path / "OASIS.csv").write_text(
        "Theme,Valence_mean,Arousal_mean\n" + "".join(f"t{i},{i + 2},{i}\n" for i in range(3))
    )
    lines = "".join(f"t{i}.jpg,{r},{i + 2 + 2 * r},{i}\n" for i in range(3) for r in (-1, 1))
    lines += "t0.jpg,5,,\n"  # an asking without an answer
    (tmp_path / "a.csv").write_text("id,repeat,valence,arousal\n" + lines)
    out = tmp_path / "o.jsonl"
    argv = ["score", str(tmp_path / "a.csv"), "--data", "oasis", "--path", str(tmp_path)]
    assert cli.main([*argv, "--out", str(out)]) == 0
    metrics = json.loads(out.read_text())["metrics"]
    assert metrics["mae"] == 0 and metrics["refused"] == 0


def cast(tmp_path, ids, per_picture):
    votes = [
        {"id": key, "annotator": f"a{k}", "kind": "choice", "emotion": label}
        for key, labels in zip(ids, per_picture, strict=True)
        for k, label in enumerate(labels)
    ]
    pq.write_table(pa.Table.from_pylist(votes), tmp_path / "v.parquet")
    return tmp_path / "v.parquet"


def test_ceiling__and_a_score_beside_it_in_one_table_and_figure(data, tmp_path, capsys):
    votes = cast(tmp_path, [f"p{i}" for i in range(10)], [[n, n, n, "fear"] for n in LABELS])
    out = tmp_path / "out.jsonl"
    argv = ["ceiling", str(data), "--votes", str(votes), "--out", str(out), "--json"]
    assert cli.main(argv) == 0
    found = json.loads(capsys.readouterr().out)
    # of 7 pictures one vote in four differs: 3 of 4 agree with the others; of 3 all agree
    assert found["metrics"]["leave_one_out"] == pytest.approx((7 * 0.75 + 3) / 10)
    assert found["metrics"]["person"] == pytest.approx((7 * 0.75 + 3) / 10)
    assert found["people"]["votes"] == {"fewest": 4, "median": 4, "most": 4}
    answers = [{"id": f"p{i}", "answer": name} for i, name in enumerate(LABELS)]
    result = scored(answers, data, tmp_path, "--votes", str(votes))
    assert result["metrics"]["n_equivalent"] == 3.0  # the most that four votes can tell
    figures = tmp_path / "f"
    assert cli.main(["table", str(out), "--figures", str(figures)]) == 0
    shown = capsys.readouterr().out
    assert "one person (average)" in shown and "worth n people" in shown and "3+" in shown
    assert "perfect model" in (figures / "intervals.svg").read_text()


def test_ceiling__says_what_is_missing(data, capsys):
    assert cli.main(["ceiling", str(data)]) == 2
    assert "no votes of single people" in capsys.readouterr().err


def test_run__a_model_answers_and_people_in_one_table_by_two_commands(data, tmp_path, capsys):
    votes = cast(tmp_path, [f"p{i}" for i in range(10)], [[n, n, n, "fear"] for n in LABELS])
    answers = tmp_path / "vlm.jsonl"
    lines = [{"id": f"p{i}", "answer": f"It shows {n}."} for i, n in enumerate(LABELS)]
    answers.write_text("\n".join(map(json.dumps, lines)))
    out, figures = tmp_path / "r.jsonl", tmp_path / "f"
    argv = ["run", "--model", "pixels:4", "--data", str(data), "--protocol", "knn", "--folds", "2"]
    argv += ["--cache", str(tmp_path / "c"), "--votes", str(votes), "--answers", str(answers)]
    assert cli.main([*argv, "--out", str(out)]) == 0
    results = [json.loads(line) for line in out.read_text().splitlines()]
    assert [r["model"] for r in results] == ["pixels:4", "vlm"]
    assert all(r["people"]["metrics"]["ceiling"] > 0.9 for r in results)
    assert all("n_equivalent" in r["metrics"] for r in results)
    capsys.readouterr()
    assert cli.main(["table", str(out), "--figures", str(figures)]) == 0
    shown = capsys.readouterr().out
    assert "pixels:4" in shown and "vlm" in shown and "perfect model" in shown
    assert (figures / "intervals.svg").is_file()
