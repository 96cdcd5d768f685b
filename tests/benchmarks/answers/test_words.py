from __future__ import annotations

import pytest

from benchmarks.answers import words
from emo8.core.taxonomy import EMOTIONS

KNOWN = words.vocabulary(EMOTIONS)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("awe", "awe"),
        ("  Awe. ", "awe"),
        ("**Fear**", "fear"),
        ("Sad", "sadness"),
        ("content", "contentment"),
        ("The content of this picture evokes awe.", "awe"),
        ("I would say disgusted.", "disgust"),
        ("It looks terrifying", "fear"),
        ("not fear but awe", "awe"),
        ("It is not sad, it is amusing.", "amusement"),
        ("Not fear, anger or disgust, but contentment", "contentment"),
        ("no fear or anger, only awe", "awe"),
        ("Awe rather than fear", "awe"),
        ("fear, not awe", "fear"),
        ("awe without any fear", "awe"),
        ("It isn't a picture of great sadness; rather excitement", "excitement"),
        ("It does not look real and evokes fear", "fear"),
        ("You can't help but feel awe", "awe"),
        ("nothing but sadness", "sadness"),
        ("not only anger but also disgust", "anger disgust"),
        ("not without awe", "awe"),
        ("anything but awe. Fear.", "fear"),
        ("neither fear nor awe, but anger", "anger"),
        ("fear-free excitement", "excitement"),
        ("fear and sadness", "fear sadness"),
        ("awe, excitement", "awe excitement"),
        ("Options: amusement, anger, awe. My answer is fear", "fear"),
        ('{"answer": "fear", "reason": "no awe"}', "fear"),
        ('```json\n{"emotion": "Awe"}\n```', "awe"),
        ("<think>fear? anger?</think> Awe", "awe"),
        ("I'm not sure, but it could be fear", "fear"),
        ("I cannot be certain. Sadness.", "sadness"),
        ("The dominant emotion is: Anger", "anger"),
    ],
)
def test_understand__names_of_labels(text: str, names: str) -> None:
    meaning = words.understand(text, KNOWN)
    assert (meaning.kind, " ".join(meaning.names)) == (words.NAMED, names)


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "n/a", "Unknown", "I'm sorry, but I can't help with that.",
        "I cannot identify emotions such as fear or anger in pictures of people.",
        "As an AI, I do not feel awe", "I am unable to determine whether this is fear or awe",
        "I don't know", "null", "\u2014",
    ],
)  # fmt: skip
def test_understand__refusals_name_nothing(text: str) -> None:
    assert words.understand(text, KNOWN) == words.Meaning(kind=words.REFUSED)


@pytest.mark.parametrize(
    "text",
    ["joy", "happiness", "a dog on a lawn", "not fear", "neither fear nor anger", "fearless"],
)
def test_understand__outside_the_vocabulary(text: str) -> None:
    assert words.understand(text, KNOWN) == words.Meaning(kind=words.OFF_VOCABULARY)


def test_understand__letters_of_the_options_that_were_offered() -> None:
    offered = ("fear", "awe", "anger")
    assert words.understand("(b)", KNOWN, offered).names == ("awe",)
    assert words.understand("3", KNOWN, offered).names == ("anger",)
    assert words.understand("B) awe", KNOWN, offered).names == ("awe",)
    assert words.understand("h", KNOWN, offered).kind == words.OFF_VOCABULARY
    assert words.understand("b", KNOWN).kind == words.OFF_VOCABULARY


def test_vocabulary__a_label_is_never_a_synonym_and_what_means_two_means_none() -> None:
    ekman = words.vocabulary(("joy", "sadness", "happiness", "fear"))
    assert words.understand("joy", ekman).names == ("joy",)
    assert words.understand("happy", ekman).names == ("happiness",)  # its own form
    assert words.understand("delighted", ekman).kind == words.OFF_VOCABULARY
    assert words.understand("happy", words.vocabulary(("joy", "fear"))).how == "synonym"
    people = words.vocabulary(("Doubt/Confusion", "science_fiction"))
    assert words.understand("some confusion", people).names == ("Doubt/Confusion",)
    assert words.understand("Science fiction!", people).names == ("science_fiction",)


def test_rule__has_a_version_and_can_be_printed() -> None:
    text = words.printed()
    assert "words-1" in text and "terrified" in text and words.rule_sha256()[:16] in text
