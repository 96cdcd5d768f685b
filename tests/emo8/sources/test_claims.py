"""A cell is taken for what it says, or for nothing: never for something else."""

from __future__ import annotations

from typing import Any

import pytest

from emo8.core.settings import SourceConfig
from emo8.sources import boxes
from emo8.sources.claims import claims_from, parse_split, with_picture
from tests.conftest import encoded, picture

KNOWN = {"Happy": "amusement", "7": "anger"}


def source(**options: Any) -> SourceConfig:
    return SourceConfig(kind="table", path="t.csv", **options)


@pytest.mark.parametrize(
    ("cell", "caption"),
    [
        (["a red dot", "dots"], "a red dot"),
        ([None, "", "dots"], "dots"),
        ([], None),
        ('["a red dot", "dots"]', "a red dot"),
        ("['a red dot', 'dots']", "a red dot"),
        ("[untitled]", "[untitled]"),
        ("[1, 2]", "[1, 2]"),
        ({"raw": "a red dot", "tokens": ["a"]}, "a red dot"),
        ([{"raw": "a red dot"}, {"raw": "dots"}], "a red dot"),
        ({"x": 1}, None),
        ("\ud83d lone", "\ufffd lone"),
        (b"caf\xc3\xa9", "café"),
        (3.0, "3"),
        (float("nan"), None),
        ("  ", None),
        ("None", None),
        ("nan", None),
        ("N/A", None),
        (" Nantes ", "Nantes"),
    ],
)
def test_claims_from__a_caption_is_a_text_or_nothing(cell: object, caption: str | None) -> None:
    found = claims_from({"caption": cell}, source())
    assert found.caption == caption
    if caption:
        caption.encode()


@pytest.mark.parametrize(
    "word",
    ["nan", "None", "N/A", "null", "", "#N/A", float("nan"), None, "-", "--", "\u2014", "?", "...",
     "Unknown", "not specified", "TBD"],
)  # fmt: skip
def test_claims_from__no_licence_by_any_word_is_no_licence(word: object) -> None:
    assert claims_from({"license": word}, source()).license is None
    assert claims_from({"license": word}, source(license="CC0-1.0")).license == "CC0-1.0"
    if isinstance(word, str):
        assert claims_from({}, source(license=word)).license is None


@pytest.mark.parametrize(
    ("cell", "emotion"),
    [(-1, None), (-1.0, None), (3, "3"), (3.0, "3"), (["fear"], "fear"), (["fear", "awe"], None),
     ("Happy", "amusement"), ("3", "3"), (True, "True"),
     ("7.0", "anger"), ("7,0", "anger"), ("7", "anger"), ("-1", None), ("-1.0", None),
     ("?", None), ("\u2014", None), ("_unlabeled", None)],
)  # fmt: skip
def test_claims_from__labels_are_names_or_nothing(cell: object, emotion: str | None) -> None:
    assert claims_from({"emotion": cell}, source(emotions=KNOWN)).emotion == emotion


@pytest.mark.parametrize(
    ("word", "emotion"), [("Fear", "fear"), (" afraid ", "fear"), ("Envy", "Envy")]
)
def test_claims_from__labels_of_ours_have_our_spelling_and_others_their_own(
    word: str, emotion: str
) -> None:
    assert claims_from({"emotion": word}, source()).emotion == emotion


def test_claims_from__notes_say_whose_word_a_label_is_and_what_was_not_used() -> None:
    whose = {"emotion": "column mood"}
    assert ("labels", "named by column mood") in claims_from(
        {"emotion": "fear"}, source(), whose
    ).notes
    found = claims_from({"emotion": "Neutral", "license": "None"}, source(), whose).notes
    assert ("labels", "'Neutral' is left to CLIP (none of ours)") in found
    assert ("licences", "'None' is taken for nothing") in found
    assert claims_from({"emotion": -1}, source()).notes == (("labels", "-1 means no label"),)


@pytest.mark.parametrize("word", ["val2017", "minival", "testA"])
def test_parse_split__an_unknown_name_gives_the_line_to_write(word: str) -> None:
    with pytest.raises(ValueError, match=rf'splits = \{{ "{word}" = "(val|test)" \}}'):
        parse_split(word)
    assert parse_split(word, {word: "test"}) == "test"
    with pytest.raises(ValueError, match="unknown split"):
        claims_from({"split": word}, source(keep_splits=True))
    assert claims_from({"split": word}, source()).split is None


@pytest.mark.parametrize(
    ("value", "corners"),
    [
        ([[0.25, 0.25, 0.75, 0.9]], [(0.25, 0.25, 0.75, 0.9)]),
        ([0.25, 0.25, 0.75, 0.9], [(0.25, 0.25, 0.75, 0.9)]),
        ("[[0.25, 0.25, 0.75, 0.9, 0.5]]", [(0.25, 0.25, 0.75, 0.9)]),
        ([{"x0": 0, "y0": 0, "x1": 1, "y1": 0.5}], [(0, 0, 1, 0.5)]),
        ([{"x": 40, "y": 30, "width": 80, "height": 60}], [(0.25, 0.25, 0.75, 0.75)]),
        ({"xmin": [40, 0], "ymin": [30, 0], "xmax": [120, 80], "ymax": [90, 60]},
         [(0.25, 0.25, 0.75, 0.75), (0, 0, 0.5, 0.5)]),
        ([{"left": -8, "top": 0, "right": 80, "bottom": 60}], [(0, 0, 0.5, 0.5)]),
        ([], []),
        (None, None),
        ("", None),
    ],
)  # fmt: skip
def test_people__boxes_that_say_what_they_are(value: object, corners: object) -> None:
    found = with_picture(claims_from({"people": value}, source()), encoded(picture(1, (160, 120))))
    people = found.people
    assert corners == (
        None
        if people is None
        else [tuple(box[k] for k in ("x0", "y0", "x1", "y1")) for box in people]
    )


@pytest.mark.parametrize(
    "value",
    [[[40, 30, 120, 110]], [[0, 0, 80, 110]], "not json", [[1, 2, 3]], [["a", "b", "c", "d"]], 7,
     [[0.5, 0.5, 0.2, 0.2]], [[0.1, 0.1, float("nan"), 1]], [{"who": "me"}], "[" * 100_000,
     [{"x": 400, "y": 300, "w": 80, "h": 60}]],
)  # fmt: skip
def test_people__what_is_not_understood_is_no_claim_and_is_noted(value: object) -> None:
    found = with_picture(claims_from({"people": value}, source()), encoded(picture(1, (160, 120))))
    assert found.people is None
    assert [topic for topic, _ in found.notes] == ["boxes"]
    assert "not understood and not used" in found.notes[0][1]


@pytest.mark.parametrize(
    ("form", "numbers"),
    [("xyxy", [40, 30, 120, 90]), ("xywh", [40, 30, 80, 60]), ("cxcywh", [80, 60, 80, 60])],
)
def test_people__the_recipe_names_the_form_of_lists(form: str, numbers: list[float]) -> None:
    claims = claims_from({"people": [numbers]}, source(boxes=form))
    (box,) = with_picture(claims, encoded(picture(1, (160, 120)))).people or []
    assert [box[key] for key in ("x0", "y0", "x1", "y1")] == [0.25, 0.25, 0.75, 0.75]


def test_scaled__pixels_are_those_of_the_upright_picture() -> None:
    turned = picture(1, (160, 120))
    exif = turned.getexif()
    exif[0x0112] = 6
    data = encoded(turned, exif=exif)
    (box,) = boxes.scaled([{"x0": 0, "y0": 0, "x1": 60, "y1": 80, "score": 1}], data)
    assert (box["x1"], box["y1"]) == (0.5, 0.5)
