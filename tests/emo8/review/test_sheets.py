"""Scores of labels with any number of emotions among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emo8.core.taxonomy import EMOTIONS
from emo8.review.columns import our_column
from emo8.review.sheets import QUEUE, disagreements, label_scores, write_sheet


def rows(labels: list[str | None]) -> pd.DataFrame:
    """Rows whose source names these emotions, and CLIP the first of all, more or less surely."""
    share = np.linspace(0.2, 0.9, max(len(labels), 1))[: len(labels)]
    prob = np.full((len(labels), len(EMOTIONS)), 0.0)
    for row, sure in enumerate(share):
        prob[row] = (1 - sure) / (len(EMOTIONS) - 1)
        prob[row, 0] = sure
    frame = pd.DataFrame({"id": [f"{n:02}" for n in range(len(labels))], "emotion": labels})
    return frame.assign(
        emotion_rule=["source" if name else "clip" for name in labels],
        emotion_prob=list(prob),
        emotion_clip=EMOTIONS[0],
        clip_prob=share,
        style="natural",
        disputed=False,
    )


@pytest.mark.parametrize(
    "labels",
    [[], [None, None], ["fear"], ["fear"] * 4, ["fear", "awe"], ["fear"] * 5 + ["awe"],
     [None, "awe"]],
)  # fmt: skip
def test_label_scores__with_any_number_of_emotions(labels: list[str | None]) -> None:
    found = label_scores(rows(labels))
    assert len(found) == sum(name is not None for name in labels)
    assert found["label_quality"].between(0, 1).all()
    assert found["is_issue"].dtype == bool
    assert list(disagreements(rows(labels)).columns) == QUEUE.names


def test_label_scores__of_one_emotion_are_ordered_and_none_is_an_issue() -> None:
    found = disagreements(rows(["fear"] * 4))
    assert found["id"].tolist() == ["03", "02", "01", "00"]  # the surer CLIP, the worse the label
    assert not found["is_issue"].any()


def test_write_sheet__has_addresses_where_rows_have_them(tmp_path: Path) -> None:
    claims = rows(["fear", "awe"]).assign(source="s", source_path="p.jpg")
    address = "https://x.org/a.jpg"
    for urls, wanted in (([None, address], ["", address]), ([None, None], [])):
        path = tmp_path / "sheet.csv"
        shown = claims.assign(source_url=urls)
        write_sheet(tmp_path, shown, path, yes_no=False, blind=False, annotator="")
        sheet = pd.read_csv(path, keep_default_na=False)
        assert sheet.get("image_url", pd.Series(dtype=object)).tolist() == wanted
        assert our_column(sheet.columns[0]) == "id"  # the surest of what could name the picture


def test_disagreements__copies_under_different_labels_come_first() -> None:
    some = rows(["fear", "fear", "amusement"])  # CLIP agrees with the last one
    some["disputed"] = [False, False, True]
    found = disagreements(some)
    assert found["id"].tolist() == ["02", "01", "00"]
    assert found["disputed"].tolist() == [True, False, False]
