"""Batches of Mechanical Turk, and surveys by Qualtrics and Prolific."""

from __future__ import annotations

import pytest

from emo8.core.errors import Emo8Error
from tests.emo8.review.readers.conftest import Read, said

HEAD = "HITId,AssignmentId,WorkerId,AssignmentStatus,SubmitTime,Input.image_url,Answer.emotion"


def test_mturk__rejected_assignments_are_passed_over_and_zones_have_names(read: Read) -> None:
    shown = "Thu Nov 12 10:00:00 PST 2026,https://example.org/a/~c.png?x=1"
    found = read(
        f"{HEAD},Answer.comment,Reject\n"
        f'h,1,W1,Submitted,{shown},awe,"a, b",\n'
        f"h,2,W2,Rejected,{shown},fear,,\n"
        f"h,3,W3,Submitted,{shown},fear,,x\n",
        "batch.csv",
    )
    assert said(found) == [("c.png", "choice", "awe")]
    assert str(found.votes["time"][0]) == "2026-11-12 18:00:00+00:00"  # PST is eight hours behind
    assert "2 rejected assignments passed over" in found.notes
    assert "Answer.comment" in found.unused
    assert found.used["Input.image_url"] == "id"


def test_mturk__several_pictures_on_a_line_boxes_and_ratings(read: Read) -> None:
    found = read(
        "HITId,AssignmentId,WorkerId,Input.image1,Input.image2,Answer.emotion1.awe,"
        "Answer.emotion1.fear,Answer.emotion2.awe,Answer.emotion2.fear,Answer.valence1\n"
        "h,1,W1,c.png,d.png,true,true,false,true,9\n",
        "batch.csv",
        scale="1-9",
    )
    assert said(found) == [
        ("c.png", "select", "awe"),
        ("c.png", "select", "fear"),
        ("c.png", "valence", 1.0),
        ("d.png", "select", "fear"),
    ]


def test_mturk__the_form_as_json(read: Read) -> None:
    form = '"[{""emotion"":{""awe"":false,""fear"":true},""valence"":5}]"'
    found = read(
        f"HITId,AssignmentId,WorkerId,Input.image,Answer.taskAnswers\nh,1,W1,c.png,{form}\n",
        "batch.csv",
        scale="1-9",
    )
    assert said(found) == [("c.png", "choice", "fear"), ("c.png", "valence", 0.5)]


def test_mturk__boxes_and_ratings_named_like_emotions_in_the_form(read: Read) -> None:
    head = "HITId,AssignmentId,WorkerId,Input.image,Input.awe,Answer.taskAnswers\n"
    ticks = '"[{""awe"":true,""fear"":false}]"'
    found = read(f"{head}h,1,W1,c.png,0.3,{ticks}\n", "batch.csv")
    assert said(found) == [("c.png", "choice", "awe")]
    rated = '"[{""awe"":1,""fear"":4}]"'
    found = read(f"{head}h,1,W1,c.png,0.3,{rated}\n", "rated.csv", scale="0-4")
    assert said(found) == [("c.png", "intensity", "awe"), ("c.png", "intensity", "fear")]


def test_mturk__columns_by_the_user(read: Read) -> None:
    text = "AssignmentId,WorkerId,Input.stim,Answer.q\n1,W1,c.png,awe\n"
    assert said(read(text, "b.csv", columns={"id": "Input.stim", "emotion": "Answer.q"})) == [
        ("c.png", "choice", "awe")
    ]
    with pytest.raises(Emo8Error, match=r"did you mean 'Input.stim'"):
        read(text, "b.csv", columns={"id": "Input.stimm"})


SURVEY = (
    "StartDate,Status,Finished,ResponseId,PROLIFIC_PID,Q1,Q2,Q2_v\n"
    'Start Date,Response Type,Finished,Response ID,PID,"What do you feel? c.png",cats/b.jpg,'
    '"How pleasant (valence) is cats/b.jpg?"\n'
    '"{""ImportId"":""startDate""}","{""ImportId"":""status""}","{""ImportId"":""finished""}",'
    '"{""ImportId"":""_recordId""}",x,x,x,x\n'
)


def test_survey__a_column_per_picture(read: Read) -> None:
    found = read(
        SURVEY + "2026-01-31 10:00:00,IP Address,True,R_1,p1,awe,fear,3\n"
        "2026-01-31 10:00:00,Survey Preview,True,R_2,p2,awe,fear,3\n"
        "2026-01-31 10:00:00,IP Address,False,R_3,p3,awe,,\n",
        "survey.csv",
        scale="valence=1-5",
    )
    assert said(found) == [
        ("c.png", "choice", "awe"),
        ("cats/b.jpg", "choice", "fear"),
        ("cats/b.jpg", "valence", 0.5),
    ]
    assert "1 previews, tests and spam passed over" in found.notes
    assert "1 unfinished answers passed over" in found.notes
    assert found.used["PROLIFIC_PID"] == "annotator"


@pytest.mark.parametrize("head", ["R_1,{0},{1},c.png,awe", None])
@pytest.mark.parametrize(
    ("status", "finished", "counts"),
    [("0", "1", 1), ("16", "1", 1), ("1", "1", 0), ("9", "1", 0), ("40", "1", 0), ("0", "0", 0),
     ("Survey Test", "True", 0), ("Spam", "True", 0), ("IP-Adresse", "True", 1)],
)  # fmt: skip
def test_survey__numbers_for_words_and_whatever_is_no_participant(
    read: Read, head: str | None, status: str, finished: str, counts: int
) -> None:
    if head:
        text = f"ResponseId,Status,Finished,image,emotion,StartDate\nR_2,0,1,d.png,awe,\n{head},\n"
        text = text.format(status, finished)
    else:
        text = (
            SURVEY + f"2026-01-31,0,1,R_2,p2,,awe,\n2026-01-31,{status},{finished},R_1,p1,awe,,\n"
        )
    assert len(read(text, "survey.csv").votes) == 1 + counts


def test_survey__a_picture_per_line(read: Read) -> None:
    text = "ResponseId,RecordedDate,image,emotion\nR_1,2026-01-31 10:00:00,c.png,cannot tell\n"
    assert said(read(text, "survey.csv")) == [("c.png", "cannot_tell", None)]
