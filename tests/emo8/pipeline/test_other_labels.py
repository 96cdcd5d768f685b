"""Ekman's six emotions and no styles, from the recipe to the benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from benchmarks import cli as bench
from emo8 import open_build
from emo8.cli import main
from emo8.core import label_set
from emo8.core.label_set import FOOTER_KEY
from emo8.dataset.shards import labels_of
from emo8.review.serve.session import Session
from tests.conftest import encoded, picture

EKMAN = ["anger", "disgust", "fear", "happiness", "sadness", "surprise"]
RECIPE = f"""
name = "ekman"
[[source]]
kind = "folder"
path = "pictures"
emotion_from = "folder"
style = "clip"
license = "CC0-1.0"
[people]
detector = "off"
[labels]
clip = ["embedded"]
out_of_domain = "guess"
emotions = {json.dumps(EKMAN)}
styles = []
positive = ["happiness"]
to_mikels = {{ happiness = "contentment" }}
[votes]
words = {{ joy = "happiness" }}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 pictures in a folder per emotion, built, voted on, built again and published."""
    folder = tmp_path_factory.mktemp("ekman")
    for number in range(24):
        emotion = EKMAN[number % 6]
        path = folder / "pictures" / emotion / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(number)))
    recipe, build = folder / "recipe.toml", folder / "BUILD"
    recipe.write_text(RECIPE)
    assert main(["build", str(recipe), "-o", str(build), "--workers", "1"]) == 0
    names = open_build(build).to_pandas(["id", "emotion"])
    angry = names.loc[names["emotion"].eq("anger"), "id"].iloc[0]
    lines = [f"{angry},{who},{word},yes" for who, word in (("ann", "Joy"), ("ben", "happiness"))]
    sheet = folder / "votes.csv"
    sheet.write_text("\n".join(["id,annotator,emotion,consent", *lines]) + "\n")
    assert main(["review", str(build), "--import", str(sheet)]) == 0
    assert main(["build", str(recipe), "-o", str(build), "--workers", "1"]) == 0
    assert main(["publish", str(build), "--to", str(folder / "DIR")]) == 0
    assert label_set.current() is label_set.MIKELS  # nothing of it stays in this process
    return folder


def test_release__six_classes_one_style_and_the_map(folder: Path) -> None:
    root = folder / "DIR"
    found = load_dataset(str(root))
    features = found["train"].features
    assert features["emotion"].names == EKMAN and features["style"].names == ["any"]
    rows = pd.concat([found[split].to_pandas() for split in found])
    assert len(rows) == 24 and set(rows["style"]) == {0}
    assert {len(prob) for prob in rows["emotion_prob"]} == {6}
    assert rows["emotion"].value_counts().sort_index().tolist() == [3, 4, 4, 5, 4, 4]
    (voted,) = rows[rows["num_votes"].gt(0)].to_dict("records")
    assert (voted["emotion"], voted["emotion_rule"]) == (EKMAN.index("happiness"), "human")
    assert voted["emotion_votes"].tolist() == [0, 0, 0, 1, 0, 0]
    votes = pd.concat([part.to_pandas() for part in load_dataset(str(root), "votes").values()])
    assert sorted(votes["word"].dropna()) == ["Joy"]  # what was said stays beside its meaning
    assert labels_of(root).to_mikels["happiness"] == "contentment"
    for path in root.glob("*/**/*.parquet"):
        if path.parent.name != "votes":
            assert FOOTER_KEY in pq.read_schema(path).metadata


def test_release__card_and_checks_know_the_names(folder: Path) -> None:
    text = (folder / "DIR" / "README.md").read_text()
    assert "The emotions are six: anger, disgust" in text and "happiness to contentment" in text
    assert "Styles are not told apart" in text and "The emotions are Mikels'" not in text
    assert main(["verify", str(folder / "DIR")]) == 0
    assert main(["publish", str(folder / "DIR"), "--audit"]) == 0


def test_build__page_report_sheets_and_thresholds(folder: Path, tmp_path: Path) -> None:
    build = folder / "BUILD"
    with label_set.using(labels_of(folder / "DIR")):
        session = Session.open(build)
        assert [e["name"] for e in session.state("dee")["emotions"]] == EKMAN
        session.record({"who": "dee", "id": session.order[0],
                        "votes": [{"kind": "choice", "emotion": "surprise"}]})  # fmt: skip
        with pytest.raises(ValueError, match="unknown emotion 'awe'"):
            session.record({"who": "dee", "id": session.order[0],
                            "votes": [{"kind": "choice", "emotion": "awe"}]})  # fmt: skip
        session.journal.close()
    assert main(["report", str(build)]) == 0
    steps = json.loads((build / "report" / "report.json").read_text())["steps"]
    assert list(steps[-1]["counts"]) == ["any"] and [*steps[-1]["counts"]["any"]][:6] == EKMAN
    assert main(["review", str(build), "--export", str(tmp_path / "t.json"),
                 "--format", "label-studio"]) == 0  # fmt: skip
    assert 'value="surprise"' in (tmp_path / "t.xml").read_text()
    assert main(["decide", str(build), "--try", "min_entropy_bits=1"]) == 0


def test_prompts__names_that_stand_for_themselves_are_scored(folder: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["prompts", "score", "--data", str(folder / "DIR"), "--model", "embedded"]) == 0
    said = capsys.readouterr().out
    assert "a picture full of {noun}" in said and "a {adjective} scene" not in said


def test_votes__a_word_of_mikels_only_is_refused(folder: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    key = open_build(folder / "BUILD").to_pandas(["id"])["id"].iloc[0]
    sheet = tmp_path / "votes.csv"
    sheet.write_text(f"id,annotator,emotion\n{key},ann,awe\n")
    assert main(["review", str(folder / "BUILD"), "--import", str(sheet)]) == 2
    assert "unknown emotion 'awe'" in capsys.readouterr().err


def test_bench__runs_on_the_release(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    arguments = ["run", "--model", "pixels:8", "--data", str(folder / "DIR"), "--protocol", "knn",
                 "--folds", "2", "--out", str(out), "--cache", str(tmp_path / "cache")]  # fmt: skip
    assert bench.main(arguments) == 0
    assert json.loads(out.read_text())["emotions"] == EKMAN
