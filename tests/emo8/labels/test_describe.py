"""The sentence: what is in it, what is left out, and that it always fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from emo8.core.errors import RecipeError
from emo8.core.taxonomy import EMOTIONS
from emo8.labels.clip.encoder import load, token_counter
from emo8.labels.clip.vocabulary import ATTRIBUTES, DEFAULT_PATH, load_vocabulary
from emo8.labels.describe import describe, with_emotion

FULL = {
    "caption": "Two friends at the lake.",
    "brightness": 0.2,
    "colorfulness": 0.9,
    "scene": "lake",
    "scene_prob": 0.8,
    "objects": ["boat", "tree"],
    "objects_prob": [0.7, 0.4],
    "human_action": "laughing",
    "human_action_prob": 0.5,
    "facial_expression": "happy",
    "facial_expression_prob": 0.9,
    "people": None,
}


def words(text: str) -> int:
    """A tokenizer of our own: one token per word."""
    return len(text.split())


def test_describe__everything_that_is_known_and_no_emotion() -> None:
    text = describe(FULL, words, 100)
    assert text == (
        "Two friends at the lake; with boat, tree; scene: lake; someone laughing; "
        "a face that looks happy; very dark, colourful"
    )
    assert with_emotion(text, "awe") == text + "; it makes the viewer feel awe"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"caption": None, "brightness": 0.6, "colorfulness": 0.5}, "a picture"),
        (
            {"caption": "  A\n dog. ", "brightness": 0.6, "colorfulness": 0.0},
            "A dog; without colour",
        ),
        ({"caption": None, "brightness": None, "colorfulness": None}, None),
        ({"caption": "gone", "brightness": None, "colorfulness": None}, "gone"),
    ],
)
def test_describe__what_is_not_known_is_left_out(
    record: dict[str, object], expected: str | None
) -> None:
    assert describe(record, words, 100) == expected


def test_describe__nobody_in_the_picture_does_nothing() -> None:
    text = describe({**FULL, "people": []}, words, 100)
    assert text is not None
    assert "someone" not in text and "face" not in text and "scene: lake" in text


def test_describe__the_least_certain_goes_first() -> None:
    left = [describe(FULL, words, limit) or "" for limit in (19, 17, 15, 13)]
    assert "tree" not in left[0] and "someone laughing" in left[0]
    assert "someone" not in left[1] and "boat" in left[1]
    assert "boat" not in left[2] and "scene: lake" in left[2]
    assert "scene" not in left[3] and "face" in left[3]
    assert all(words(text) <= limit for text, limit in zip(left, (19, 17, 15, 13)))


@pytest.mark.parametrize(
    "caption", ["word " * 500, "x" * 5000, "日本語の長い説明" * 200, "🙂" * 400]
)
def test_describe__always_fits_the_embedded_tokenizer(caption: str) -> None:
    count, limit = token_counter("embedded"), load("embedded").context_length
    reserve = max(count(with_emotion("", emotion)) for emotion in EMOTIONS)
    text = describe({**FULL, "caption": caption}, count, limit - reserve)
    assert text
    assert all(count(with_emotion(text, emotion)) <= limit for emotion in EMOTIONS)


def test_token_counter__counts_as_the_models_own_tokenizer() -> None:
    encoder, count = load("embedded"), token_counter("embedded")
    for text in ("a dog", "An Emoji of a face that looks furious!", ""):
        tokens = encoder.tokenizer([text])[0]
        assert count(text) == int((tokens != 0).sum())


def test_vocabulary__shipped_lists_and_emoset_info(tmp_path: Path) -> None:
    shipped = load_vocabulary()
    assert tuple(shipped.prompts) == ATTRIBUTES
    assert min(len(names) for names in shipped.prompts.values()) >= 6
    info = tmp_path / "info.json"
    lists = {name: ["boxing ", "Christmas tree"] for name in ATTRIBUTES}
    entries = ", ".join(
        f'"{name}": {{"label2idx": {{"{a}": 0, "{b}": 1}}}}' for name, (a, b) in lists.items()
    )
    info.write_text("{" + entries + "}")
    found = load_vocabulary(info)
    assert list(found.prompts["human_action"]) == ["boxing", "Christmas tree"]
    assert found.prompts["human_action"]["boxing"][0] == "a person boxing"
    info.write_text('{"label2idx": {"awe": 1}}')
    with pytest.raises(RecipeError, match=r"scene\.label2idx.*older info\.json"):
        load_vocabulary(info)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[scene]", "[scenes]", "did you mean 'scene'"),
        ('names = ["angry", "disgusted", "afraid", "happy", "sad", "surprised"]', "names = []",
         "[facial_expression] names must be a list of at least one"),
        ("{name} in the background", "the background", "must hold {name} once"),
        ("absent = [", "abent = [", "did you mean 'absent'"),
        ("[scene]", "[scene", "is not TOML"),
    ],
)  # fmt: skip
def test_vocabulary__a_mistake_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "attributes.toml"
    text = DEFAULT_PATH.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(RecipeError) as caught:
        load_vocabulary(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
