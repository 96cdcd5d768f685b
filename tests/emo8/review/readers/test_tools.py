"""CVAT, Argilla, VIA, doccano and COCO."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from emo8.core.errors import Emo8Error
from tests.emo8.review.readers.conftest import Read, said

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><job><assignee>ann</assignee></job></meta>
<image id="0" name="cats/b.jpg" width="4" height="4">
  <tag label="awe" source="manual"><attribute name="valence">7</attribute></tag>
  <tag label="fear" source="auto"></tag>
  <box label="face" xtl="0" ytl="0" xbr="1" ybr="1"></box>
</image>
<image id="1" name="c.png" width="4" height="4">
  <tag label="feeling" source="manual"><attribute name="emotion">sad</attribute>
  <attribute name="annotator">ben</attribute></tag>
</image>
<image id="2" name="d.png" width="4" height="4">
  <tag label="feelings" source="manual"><attribute name="awe">true</attribute>
  <attribute name="fear">false</attribute><attribute name="anger">true</attribute></tag>
</image></annotations>"""


def test_cvat__tags_and_their_attributes(read: Read) -> None:
    found = read(CVAT, "annotations.xml", scale="1-9")
    assert said(found) == [
        ("cats/b.jpg", "select", "awe"),
        ("cats/b.jpg", "valence", 0.75),
        ("c.png", "select", "sadness"),
        ("d.png", "select", "awe"),
        ("d.png", "select", "anger"),
    ]
    assert "1 tags that a model set passed over" in found.notes
    assert found.votes["annotator"].nunique() == 2


def test_cvat__ratings_of_0_and_1_are_no_ticks(read: Read) -> None:
    tags = "".join(
        f'<image name="{name}"><tag label="feelings" source="manual">'
        f'<attribute name="awe">{awe}</attribute><attribute name="fear">{fear}</attribute>'
        "</tag></image>"
        for name, awe, fear in (("c.png", 1, 0), ("d.png", 1, 4))
    )
    found = read(f"<annotations>{tags}</annotations>", "a.xml", annotator="ann", scale="0-4")
    assert set(found.votes["kind"]) == {"intensity"}
    assert sorted(found.votes["value"]) == [0, 0.25, 0.25, 1]


def test_cvat__the_zip_it_comes_in(read: Read) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("annotations.xml", CVAT)
        archive.writestr("images/c.png", b"")
    assert len(read(packed.getvalue(), "task.zip", scale="1-9").votes) == 5


def test_cvat__entities_are_refused(read: Read) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb">]><annotations><image name="&b;"/></annotations>'
    with pytest.raises(Emo8Error, match="cannot be read"):
        read(bomb, "annotations.xml")


ARGILLA = {
    "id": "1",
    "fields": {"image": "http://localhost/pictures/c.png"},
    "metadata": {"path": "c.png"},
    "suggestions": {"emotion": {"value": "fear", "agent": "clip"}},
    "responses": {
        "emotion": [
            {"value": ["awe", "anger"], "user_id": "u1", "status": "submitted"},
            {"value": ["fear"], "user_id": "u2", "status": "discarded"},
        ],
        "arousal": [{"value": 5, "user_id": "u1", "status": "submitted"}],
    },
}


def test_argilla__submitted_responses(read: Read) -> None:
    found = read([ARGILLA], scale="1-5")
    expected = [("c.png", "select", "awe"), ("c.png", "select", "anger"), ("c.png", "arousal", 1.0)]
    assert said(found) == expected
    assert "1 responses that were not submitted passed over" in found.notes


def test_argilla__flattened_and_version_1(read: Read) -> None:
    flat = {
        "id": "1", "image": "c.png", "emotion.suggestion": "fear",
        "emotion.responses": ["awe", "fear"], "emotion.responses.users": ["u1", "u2"],
        "emotion.responses.status": ["submitted", "draft"],
    }  # fmt: skip
    assert said(read([flat])) == [("c.png", "choice", "awe")]
    old = {
        "fields": {"image": "d.png"},
        "responses": [
            {"user_id": "u1", "status": "submitted", "values": {"emotion": {"value": "awe"}}}
        ],
    }
    assert said(read(json.dumps(old), "records.jsonl")) == [("d.png", "choice", "awe")]


def _via(name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {"filename": name, "size": 9, "regions": [], "file_attributes": attributes}


@pytest.mark.parametrize("whole", [True, False])
def test_via__project_and_annotations(read: Read, whole: bool) -> None:
    files = {
        "c.png9": _via("c.png", {"emotion": {"awe": True, "fear": True}, "note": "nice"}),
        "d.png9": _via("d.png", {"emotion": "sadness"}),
    }
    found = read({"_via_img_metadata": files} if whole else files, annotator="ann")
    assert said(found) == [
        ("c.png", "select", "awe"),
        ("c.png", "select", "fear"),
        ("d.png", "select", "sadness"),
    ]
    assert found.unused == ["note"]


def test_via__csv_says_the_file_again_for_every_region(read: Read) -> None:
    line = 'c.png,9,"{""emotion"":""awe""}",2,NUMBER,"{}","{}"\n'
    text = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
    text += "region_attributes\n" + line.replace("NUMBER", "0") + line.replace("NUMBER", "1")
    found = read(text, "via.csv", annotator="ann")
    assert said(found) == [("c.png", "choice", "awe")]
    with pytest.raises(Emo8Error, match="--annotator NAME stands in"):
        read(text, "again.csv")


def test_via_3__numbers_are_looked_up(read: Read) -> None:
    found = read(
        {
            "project": {}, "config": {},
            "attribute": {"1": {"aname": "emotion", "options": {"0": "awe", "1": "fear"}}},
            "file": {"1": {"fid": 1, "fname": "c.png"}},
            "view": {"1": {"fid_list": ["1"]}},
            "metadata": {"1_a": {"vid": "1", "xy": [], "av": {"1": "0,1"}}},
        },
        annotator="ann",
    )  # fmt: skip
    assert said(found) == [("c.png", "select", "awe"), ("c.png", "select", "fear")]


def test_doccano__labels_are_lists(read: Read) -> None:
    lines = [
        {"id": 1, "filename": "c.png", "label": ["awe"], "Comments": []},
        {"id": 2, "filename": "d.png", "label": [], "Comments": []},
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    found = read(text, "all.jsonl", annotator="ann")
    assert said(found) == [("c.png", "choice", "awe")]
    assert found.about == "JSON lines of doccano"
    assert found.num_unanswered == 1


def test_coco__tags_and_neither_boxes_nor_scores(read: Read) -> None:
    found = read(
        {
            "images": [{"id": 1, "file_name": "c.png", "tags": ["awe"]},
                       {"id": 2, "file_name": "cats/b.jpg"}],
            "categories": [{"id": 5, "name": "fear"}],
            "annotations": [
                {"image_id": 2, "category_id": 5, "attributes": {"annotator": "ben", "valence": 1}},
                {"image_id": 2, "category_id": 5, "bbox": [0, 0, 2, 2]},
                {"image_id": 2, "category_id": 5, "score": 0.9},
            ],
        },
        annotator="ann", scale="0 to 1",
    )  # fmt: skip
    assert said(found) == [
        ("c.png", "choice", "awe"),
        ("cats/b.jpg", "choice", "fear"),
        ("cats/b.jpg", "valence", 1.0),
    ]
    assert sum("passed over" in note for note in found.notes) == 2
