"""Label Studio's JSON, JSON_MIN and CSV."""

from __future__ import annotations

from typing import Any

import pytest

from emo8.core.errors import Emo8Error
from tests.emo8.review.readers.conftest import Read, said


def _result(name: str, kind: str, value: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": "img", "type": kind, "value": {kind: value}}


def _emotion(*words: str) -> dict[str, Any]:
    return _result("emotion", "choices", list(words))


def _annotation(who: Any, *results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 7, "completed_by": who, "result": list(results), "was_cancelled": False,
            "created_at": "2026-01-31T10:00:00.5Z", **more}  # fmt: skip


TASKS = [
    {
        "id": 1,
        "data": {"image": "/data/upload/3/1a2b3c4d-my_cat.jpg"},
        "annotations": [
            _annotation(1, _emotion("awe", "fear"), _result("valence", "rating", 7)),
            _annotation({"email": "b@example.org", "id": 2}, _emotion("awe")),
            _annotation(3, _emotion("fear"), was_cancelled=True),
        ],
        "predictions": [{"result": [_emotion("sadness")]}],
    },
    {
        "id": 2,
        "data": {"image": "/data/local-files/?d=work%2Fdogs%2Fb.jpg"},
        "annotations": [_annotation(1, _emotion("Neutral")), _annotation(2)],
    },
]  # fmt: skip


def test_json__people_count_and_models_and_cancelled_ones_do_not(read: Read) -> None:
    found = read(TASKS, scale="1-9")
    assert said(found) == [
        ("cats/my cat.jpg", "select", "awe"),
        ("cats/my cat.jpg", "select", "fear"),
        ("cats/my cat.jpg", "valence", 0.75),
        ("cats/my cat.jpg", "select", "awe"),
        ("dogs/b.jpg", "neutral", None),
    ]
    assert found.about == "an export of Label Studio"
    assert "1 predictions of models passed over" in found.notes
    assert "1 cancelled annotations passed over" in found.notes
    assert found.num_unanswered == 1
    assert found.votes["annotator"].nunique() == 2
    assert str(found.votes["time"][0]) == "2026-01-31 10:00:00+00:00"


def test_json__a_rating_needs_its_scale(read: Read) -> None:
    with pytest.raises(Emo8Error, match=r"task 1, annotation 7: valence = '7': on which scale"):
        read(TASKS)
    with pytest.raises(Emo8Error, match=r"valence = '7' is not on the scale 0-1"):
        read(TASKS, scale="0 to 1")


def test_json_min__one_object_per_annotation(read: Read) -> None:
    rows = [
        {"id": 1, "image": "/data/upload/9/00000000-c.png", "emotion": "awe", "annotator": 1,
         "annotation_id": 1, "lead_time": 2.5, "updated_at": "2026-01-31T10:00:00Z"},
        {"id": 2, "image": "/data/upload/9/00000000-d.png",
         "emotion": {"choices": ["fear", "anger"]}, "annotator": 1, "annotation_id": 2,
         "lead_time": 2.5, "valence": [{"rating": 4}]},
    ]  # fmt: skip
    assert said(read(rows, scale="1-5")) == [
        ("c.png", "select", "awe"),
        ("d.png", "select", "fear"),
        ("d.png", "select", "anger"),
        ("d.png", "valence", 0.75),
    ]


def test_csv__as_label_studio_writes_it(read: Read) -> None:
    text = (
        "annotation_id,annotator,created_at,emotion,id,image,lead_time,updated_at\n"
        '1,ann@example.org,2026-01-31T10:00:00Z,"{""choices"":[""awe"",""fear""]}",5,'
        "/data/upload/1/1a2b3c4d-c.png,3.1,2026-01-31T10:00:00Z\n"
        "2,ann@example.org,2026-01-31T10:00:00Z,awe,6,/data/upload/1/1a2b3c4d-d.png,3.1,\n"
    )
    found = read(text, "votes.csv")
    assert said(found) == [
        ("c.png", "select", "awe"),
        ("c.png", "select", "fear"),
        ("d.png", "select", "awe"),
    ]
    assert "lead_time" in found.unused


def test_json_min__data_of_the_tasks_are_no_answers(read: Read) -> None:
    row = {"id": 1, "image": "c.png", "style": "cartoon", "emo8_style": "natural", "felt": "awe",
           "annotator": 1, "annotation_id": 1, "lead_time": 2.5}  # fmt: skip
    assert said(read([row])) == [("c.png", "choice", "awe")]
    with pytest.raises(Emo8Error, match=r"hint, felt all hold emotions.*--columns emotion=hint"):
        read([{"hint": "fear", **row}])
    found = read([{"hint": "fear", **row}], columns={"emotion": "felt"})
    assert said(found) == [("c.png", "choice", "awe")]
