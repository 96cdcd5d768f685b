"""Label sets: what a recipe may name, what a published file says, and what a process works with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emo8.core import label_set
from emo8.core.errors import BuildError, RecipeError
from emo8.core.label_set import FOOTER_KEY, MIKELS, NO_STYLE, chosen, of_footer, of_resolved
from emo8.core.read_recipe import parse_recipe

EKMAN = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")


def test_chosen__names_of_mikels_keep_what_is_known_of_them() -> None:
    labels = chosen(EKMAN, [], positive=["happiness"], to_mikels={"happiness": "contentment"})
    assert labels.styles == (NO_STYLE,)
    assert labels.positive == ("happiness",)
    assert labels.negative == ("anger", "disgust", "fear", "sadness")  # surprise has none
    assert labels.to_mikels["anger"] == "anger" and "surprise" not in labels.to_mikels
    assert labels.to_mikels["happiness"] == "contentment"
    assert labels.emotion_colors["anger"] == MIKELS.emotion_colors["anger"]
    assert len(set(labels.emotion_colors.values())) == 6
    assert chosen(MIKELS.emotions, MIKELS.styles) == MIKELS


def test_chosen__the_recipe_overrules_a_polarity() -> None:
    labels = chosen(["awe", "fear"], [], negative=["awe"])
    assert (labels.positive, labels.negative) == ((), ("awe", "fear"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"emotions": ["joy"]}, "name at least 2"),
        ({"emotions": ["joy", "Big Joy"]}, "'Big Joy': use small letters"),
        ({"emotions": ["joy", "../x"]}, "'../x': use small letters"),
        ({"emotions": ["joy", "joy"]}, "a name stands there twice"),
        ({"emotions": ["joy", "neutral"]}, "'neutral', which is no label"),
        ({"styles": ["clip"]}, "'clip', which is no label"),
        ({"positive": ["aw"]}, "labels.positive: unknown emotion 'aw'; did you mean 'awe'"),
        ({"positive": ["awe"], "negative": ["awe"]}, "both hold 'awe'"),
        ({"to_mikels": {"joy": "awe"}}, "labels.to_mikels: unknown emotion 'joy'"),
        ({"to_mikels": {"awe": "joy"}}, "labels.to_mikels.awe: unknown emotion 'joy'"),
        (
            {"emotions": list(EKMAN), "style_prompts": True},
            "no wording for a style is shipped with words for 'happiness'",
        ),
    ],
)
def test_recipe__a_mistake_names_key_value_and_fix(options: dict[str, Any], said: str) -> None:
    data = {"source": [{"kind": "folder", "path": "x", "style": "clip"}], "labels": options}
    with pytest.raises(RecipeError) as error:
        parse_recipe(data, where="r.toml")
    assert said in str(error.value) and "r.toml" in str(error.value)


def test_recipe__maps_of_sources_and_votes_lead_to_its_own_names() -> None:
    source = {"kind": "folder", "path": "x", "style": "clip", "emotions": {"joy": "happiness"}}
    data: dict[str, Any] = {
        "source": [source],
        "labels": {"emotions": list(EKMAN), "styles": []},
        "votes": {"words": {"glad": "happiness"}},
    }
    assert parse_recipe(data, where="r.toml").labels.names().emotions == EKMAN
    data["source"][0]["emotions"] = {"joy": "amusement"}
    with pytest.raises(RecipeError, match=r"emotions\.joy = 'amusement'"):
        parse_recipe(data, where="r.toml")


def test_of_footer__gives_the_set_back_and_refuses_what_is_none() -> None:
    labels = chosen(EKMAN, ["cartoon"], to_mikels={"happiness": "contentment"})
    assert of_footer(labels.metadata()) == labels
    assert MIKELS.metadata() == {} and of_footer(None) == MIKELS == of_footer({})
    for content in ("[]", "{", json.dumps({"emotions": ["../x", "b"], "styles": []})):
        with pytest.raises(BuildError, match="none of emo8's"):
            of_footer({FOOTER_KEY: content.encode()})


def test_of_resolved__builds_from_before_have_the_eight() -> None:
    assert of_resolved({"recipe": {"labels": {"clip": ["embedded"]}}}) == MIKELS
    assert of_resolved(None) == MIKELS


def test_using__ends_with_its_block() -> None:
    with label_set.using(chosen(EKMAN, [])):
        assert label_set.parse_emotion("Happiness") == "happiness"
        with pytest.raises(ValueError, match="unknown emotion 'awe'"):
            label_set.parse_emotion("awe")
    assert label_set.current() is MIKELS


def test_parse__a_name_of_the_set_is_no_alias() -> None:
    assert chosen(["sad", "glad"], []).parse_emotion("Sad") == "sad"
    assert chosen(["sadness", "joy"], []).parse_emotion("sad") == "sadness"


def test_prompts__other_names_stand_for_themselves(tmp_path: Path) -> None:
    from emo8.labels.clip.prompts import load_prompts

    labels = chosen(EKMAN, [])
    prompts, plain = load_prompts(labels=labels), load_prompts()
    assert tuple(prompts.emotion) == EKMAN and tuple(prompts.style) == (NO_STYLE,)
    assert prompts.emotion["anger"] == plain.emotion["anger"]
    assert "a picture full of happiness" in prompts.emotion["happiness"]
    assert prompts.sha256 != load_prompts(labels=chosen(EKMAN[::-1], [])).sha256  # other numbers
    path = tmp_path / "own.toml"
    path.write_text('[emotion]\ntemplates = ["{noun}"]\n[emotion.anger]\nnoun = ["rage"]\n')
    with pytest.raises(RecipeError, match="no prompts for disgust, fear, happiness"):
        load_prompts(path, labels)
