"""Prompt files: what they expand to, and what a mistake in one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from emo8.core.errors import RecipeError
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.labels.clip.prompts import DEFAULT_PATH, load_prompts


def _write(tmp_path: Path, old: str, new: str) -> Path:
    text = DEFAULT_PATH.read_text()
    assert old in text
    path = tmp_path / "prompts.toml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_load_prompts__shipped_file_covers_the_taxonomy() -> None:
    prompts = load_prompts()
    assert tuple(prompts.emotion) == EMOTIONS
    assert tuple(prompts.style) == STYLES
    assert "safe" in prompts.safety
    assert "a photo that makes the viewer feel awe" in prompts.emotion["awe"]
    assert min(len(texts) for texts in prompts.emotion.values()) >= 10
    every = [text for texts in prompts.emotion.values() for text in texts]
    assert len(set(every)) == len(every)


def test_load_prompts__hash_follows_prompts_and_ignores_comments(tmp_path: Path) -> None:
    shipped = load_prompts().sha256
    assert load_prompts(_write(tmp_path, "# What CLIP", "# Whatever CLIP")).sha256 == shipped
    assert load_prompts(_write(tmp_path, '"rage"', '"wrath"')).sha256 != shipped


def test_load_prompts__whole_texts_are_added(tmp_path: Path) -> None:
    path = _write(tmp_path, "[emotion.awe]", '[emotion.awe]\ntexts = ["a view from a summit"]')
    assert load_prompts(path).emotion["awe"][-1] == "a view from a summit"


def test_load_prompts__wording_of_a_style_is_filled_with_the_emotions_words() -> None:
    prompts = load_prompts()
    assert tuple(prompts.emotion_in) == STYLES
    assert "a cartoon of awe" in prompts.emotion_in["cartoon"]["awe"]
    assert "a cartoon of awe" not in prompts.emotion["awe"]
    assert tuple(prompts.polarity) == ("positive", "negative")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[emotion_in.cartoon]", "[emotion_in.cartoons]", "did you mean 'cartoon'"),
        ("a cartoon of {noun}", "a cartoon of {verb}", "has no words for {verb}"),
        ("[polarity.negative]", "[polarity.negativ]", "did you mean 'negative'"),
        ("[emotion.sadness]", "[emotion.sadnes]", "did you mean 'sadness'"),
        ("[style]", "[styles]", "did you mean 'style'"),
        ('noun = ["anger"', 'nouns = ["anger"', "did you mean 'noun'"),
        ("a {adjective} scene", "a scene", "has 0 slots"),
        ('noun = ["anger", "rage", "fury"]', 'noun = "anger"', "must be a list"),
        ('noun = ["anger", "rage", "fury"]', 'noun = ["anger", ""]', "[emotion.anger] noun"),
        ("[safety.safe]", "[safety.harmless]", "no prompts for safe"),
        ("[emotion]", "[emotion", "is not TOML"),
    ],
)
def test_load_prompts__a_mistake_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = _write(tmp_path, old, new)
    with pytest.raises(RecipeError) as caught:
        load_prompts(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_load_prompts__missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml cannot be read"):
        load_prompts(tmp_path / "none.toml")
