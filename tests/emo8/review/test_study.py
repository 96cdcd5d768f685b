"""A whole study: answers from the page and from Label Studio in one build, published, read back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from datasets import load_dataset

from emo8.cli import main
from emo8.dataset.shards import read_rows
from emo8.review.serve.session import Session


def test_study__three_people_ticks_and_valence(small: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small, tmp_path / "small"))
    build, root = folder / "BUILD", tmp_path / "DIR"
    session = Session.open(build, ("emotion", "valence"))
    row, other = session.order[:2]
    for who, emotions, value in (("ann", ["awe", "fear"], 7), ("ben", ["awe"], 9)):
        said = [{"kind": "select", "emotion": emotion} for emotion in emotions]
        said.append({"kind": "valence", "value": value})
        session.record({"who": who, "id": row, "consent": True, "votes": said})
    session.record({"who": "ann", "id": other, "consent": True, "votes": [{"kind": "neutral"}]})
    session.journal.close()  # as a kill would
    result = [
        {"from_name": "emotion", "type": "choices", "value": {"choices": ["awe", "anger"]}},
        {"from_name": "valence", "type": "rating", "value": {"rating": 1}},
        {"from_name": "consent", "type": "choices", "value": {"choices": ["yes"]}},
    ]
    task = {"data": {"image": f"/data/upload/1/1a2b3c4d-{row}.jpg"},
            "annotations": [{"completed_by": 3, "result": result}]}  # fmt: skip
    export = tmp_path / "export.json"
    export.write_text(json.dumps([task]))
    assert main(["review", str(build), "--import", str(export), "--scale", "1-5"]) == 0
    assert main(["build", str(folder / "recipe.toml"), "-o", str(build)]) == 0

    columns = ["id", "emotion", "emotion_rule", "emotion_votes", "emotion_ticks", "vote_result",
               "num_votes", "valence"]  # fmt: skip
    rows = read_rows(build / "dataset", columns).to_pandas().set_index("id")
    label = rows.loc[row]
    assert (label["emotion"], label["emotion_rule"], label["num_votes"]) == (2, "human", 3)
    assert label["emotion_votes"].tolist()[1:3] == pytest.approx([0.167, 0.667], abs=1e-3)
    assert label["emotion_ticks"].tolist()[1:3] == pytest.approx([0.333, 1.0], abs=1e-3)
    assert label["valence"] == pytest.approx((0.75 + 1.0 + 0.0) / 3, abs=1e-3)
    nothing = rows.loc[other]
    assert pd.isna(nothing["emotion"])
    assert (nothing["emotion_rule"], nothing["vote_result"]) == ("abstain", "neutral")

    assert main(["publish", str(build), "--to", str(root)]) == 0
    found = load_dataset(str(root), "votes")
    votes = pd.concat([found[split].to_pandas() for split in found])
    assert sorted(votes["kind"]) == ["neutral", *["select"] * 5, *["valence"] * 3]
    assert set(votes["scale"].dropna()) == {"1-9", "1-5"}
    assert votes["annotator"].nunique() == 3
    text = (root / "README.md").read_text()
    assert "3 annotators" in text and "Krippendorff's alpha (masi)" in text
