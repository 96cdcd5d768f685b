"""Label Studio's JSON, JSON_MIN and CSV."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.core.errors import Emo8Error
from emo8.review.vote_files import Asked, read_file
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


def test_json__an_answer_about_a_region_is_no_vote_on_the_picture(read: Read) -> None:
    place = {"x": 1, "y": 2, "width": 30, "height": 40}
    result = [
        {"from_name": "emotion", "type": "choices", "value": {"choices": ["awe"]}},
        {"from_name": "emotion", "type": "choices", "value": {**place, "choices": ["fear"]}},
        {"from_name": "face", "type": "rectanglelabels", "value": place},
    ]
    task = {"data": {"image": "c.png"}, "annotations": [{"completed_by": 1, "result": result}]}
    found = read([task])
    assert said(found) == [("c.png", "choice", "awe")]
    assert any(note.startswith("2 answers about regions") for note in found.notes)


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


def _min(number: int, image: str, said: Any, annotation: int | None = 1) -> dict[str, Any]:
    """An object of JSON_MIN, as its writer fills it."""
    return {"id": number, "image": image, "emotion": said, "annotator": annotation,
            "annotation_id": annotation, "created_at": annotation and "2026-01-31T10:00:00Z",
            "updated_at": annotation and "2026-01-31T10:00:00Z",
            "lead_time": annotation and 2.5}  # fmt: skip


def test_json_min__a_task_nobody_annotated_is_no_vote(read: Read) -> None:
    rows = [_min(1, "c.png", "awe"), _min(2, "d.png", None, annotation=None)]
    found = read(rows)
    assert said(found) == [("c.png", "choice", "awe")]
    assert "1 tasks without an annotation passed over" in found.notes
    assert found.num_unanswered == 0


def test_json_min__data_under_the_name_of_an_answer_are_refused(read: Read) -> None:
    """label-studio-sdk 2.1.2: `data.emotion` stands where nobody answered the control `emotion`."""
    rows = [_min(1, "c.png", "awe"), _min(2, "d.png", "fear", annotation=None)]
    with pytest.raises(Emo8Error, match=r"'emotion' holds data of the tasks: row 2.* as JSON"):
        read(rows)
    found = read([row | {"felt": row["annotator"] and "anger"} for row in rows],
                 columns={"emotion": "felt"})  # fmt: skip
    assert said(found) == [("c.png", "choice", "anger")]


def test_csv__data_over_the_answers_are_refused(read: Read) -> None:
    """label-studio-sdk up to 2.1.0: all lines hold `data.emotion`, whatever people answered."""
    text = (
        "annotation_id,annotator,created_at,emotion,id,image,lead_time,updated_at\n"
        "1,ann@example.org,2026-01-31,joy,5,c.png,3.1,2026-01-31\n"
        ",,,joy,6,d.png,,\n"
    )
    with pytest.raises(Emo8Error, match=r"'emotion' holds data of the tasks: row 2"):
        read(text, "votes.csv")


def test_csv__data_set_apart_by_name_are_no_answers(read: Read) -> None:
    """label-studio-sdk 2.1.2 writes data that share the name of an answer as `_data_NAME`."""
    text = (
        "_data_felt,annotation_id,annotator,created_at,felt,id,image,lead_time,updated_at\n"
        "fear,1,ann@example.org,2026-01-31,awe,5,c.png,3.1,2026-01-31\n"
        "fear,2,bo@example.org,2026-01-31,,5,c.png,3.1,2026-01-31\n"
    )
    found = read(text, "votes.csv")
    assert said(found) == [("c.png", "choice", "awe")]
    assert found.num_unanswered == 1


def test_json_min__the_number_of_a_task_names_no_picture(tmp_path: Path) -> None:
    """Pictures named by numbers: task 2 shows 1.png, and must not become a vote on 2.png."""
    rows = tmp_path / "BUILD" / "rows"
    rows.mkdir(parents=True)
    names = [f"{number}.png" for number in (1, 2, 3)]
    columns = {"id": [f"{k:064x}" for k in range(3)], "source": ["s"] * 3, "source_path": names}
    pq.write_table(pa.table(columns), rows / "part-00000.parquet")
    file = tmp_path / "votes.json"

    def voted(row: dict[str, Any], **asked: Any) -> str:
        file.write_text(json.dumps([row]))
        found = read_file(tmp_path / "BUILD", file, Asked(**asked))
        return names[columns["id"].index(found.votes["id"][0])]

    row = _min(2, "/data/upload/3/1a2b3c4d-1.png", "awe")
    assert voted(row) == "1.png"
    assert voted(row | {"batch": "3"}) == "1.png"
    assert voted(row | {"stem": "3"}, columns={"id": "stem"}) == "3.png"
    with pytest.raises(Emo8Error, match="elsewhere"):
        voted(_min(2, "elsewhere.png", "awe"))
