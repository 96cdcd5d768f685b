import pytest

from emo8.taxonomy import EMOTION_COLORS, EMOTIONS, POSITIVE, parse_emotion, parse_style, polarity


def test_emotions__order_is_alphabetical() -> None:
    assert list(EMOTIONS) == sorted(EMOTIONS)
    assert len(set(EMOTION_COLORS.values())) == len(EMOTIONS)


def test_polarity__four_of_each() -> None:
    assert len(POSITIVE) == 4
    assert {emotion for emotion in EMOTIONS if polarity(emotion) == "positive"} == POSITIVE


@pytest.mark.parametrize(
    ("text", "name"), [("Sad", "sadness"), ("AWE ", "awe"), ("angry", "anger")]
)
def test_parse_emotion__aliases_of_the_field(text: str, name: str) -> None:
    assert parse_emotion(text) == name


@pytest.mark.parametrize("text", ["science fiction", "Sci-Fi", "science_fiction"])
def test_parse_style__spellings(text: str) -> None:
    assert parse_style(text) == "science_fiction"


def test_parse_emotion__unknown_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'sadness'"):
        parse_emotion("sadnes")
