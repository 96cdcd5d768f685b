from pathlib import Path
from typing import Any

import pytest

from emo8.core.errors import RecipeError
from emo8.core.read_recipe import load_recipe, parse_recipe

FOLDER = {"kind": "folder", "path": "p", "style": "natural"}


def test_parse_recipe__defaults_and_style_overrides() -> None:
    data = {
        "source": [FOLDER],
        "decide": {"min_side_px": 32, "style": {"cartoon": {"max_aspect": 9}}},
    }
    recipe = parse_recipe(data, where="r.toml")
    assert recipe.labels.clip == ("ViT-B-16/openai",)
    assert recipe.decide.for_style("cartoon").max_aspect == 9
    assert recipe.decide.for_style("cartoon").min_side_px == 32
    assert recipe.decide.for_style("natural").max_aspect == recipe.decide.max_aspect


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"source": [FOLDER], "decid": {}}, ["decid", "'decide'"]),
        ({"source": [FOLDER], "decide": {"min_sid_px": 1}}, ["min_sid_px", "'min_side_px'"]),
        ({"source": [{**FOLDER, "pth": "x"}]}, ["pth", "'path'"]),
        ({"source": [{**FOLDER, "kind": "foldr"}]}, ["foldr", "'folder'"]),
        ({"source": [{"kind": "folder"}]}, ["path", "required"]),
        ({"source": [{**FOLDER, "path": "s3://b/p"}]}, ["s3://b/p", "mount"]),
        ({"source": [FOLDER], "decide": {"min_side_px": "big"}}, ["min_side_px", "big"]),
        ({"source": [FOLDER], "splits": {"train": 0.9}}, ["splits", "1.1"]),
        ({"source": [FOLDER], "decide": {"style": {"cartoons": {}}}}, ["cartoons", "'cartoon'"]),
        (
            {"source": [FOLDER], "decide": {"style": {"natural": {"min_sid_px": 1}}}},
            ["min_side_px"],
        ),
        ({"source": [FOLDER], "votes": {"min_share": 0.9}}, ["min_share", "majority", "threshold"]),
        ({"source": [FOLDER], "labels": {"clip": []}}, ["labels.clip", "embedded"]),
        ({"source": [FOLDER], "labels": {"precision": "bf61"}}, ["precision", "'bf16'"]),
        ({"name": "x"}, ["[[source]]"]),
        ({"source": FOLDER}, ["write [[source]]"]),
        ({"source": [FOLDER], "labels": {"clip": "embedded"}}, ['labels.clip = ["embedded"]']),
        ({"source": [FOLDER], "decide": {"min_side_px": "64"}}, ['"64"', "without quotes"]),
        ({"source": [FOLDER], "votes": {"rule": "majorty"}}, ["votes.rule", "'majority'"]),
        ({"source": [FOLDER], "labels": {"rule": []}}, ["labels.rule is empty"]),
        ({"source": [FOLDER], "labels": {"rule": ["clap"]}}, ["labels.rule", "'clip'"]),
        ({"source": [FOLDER], "labels": {"max_risk": 1.5}}, ["max_risk = 1.5", "equal to 1"]),
        ({"source": [FOLDER], "fetch": {"timeout_s": 0}}, ["timeout_s = 0", "greater than 0"]),
        ({"source": [FOLDER], "decide": {"max_near_distance": 4}}, ["max_near_distance", "3"]),
        ({"source": [FOLDER], "publish": {"image_policy": {"MIT": "link"}}}, ["MIT", "bytes"]),
        ({"source": [FOLDER], "decide": {"min_side_px": -5}}, ["min_side_px", "-5"]),
        ({"source": [FOLDER], "decide": {"min_near_sim": 3}}, ["min_near_sim = 3", "equal to 1"]),
        (
            {"source": [FOLDER], "decide": {"style": {"natural": {"min_side_px": -1}}}},
            ["decide.style.natural.min_side_px = -1", "equal to 0"],
        ),
        ({"source": [FOLDER], "publish": {"language": ["english"]}}, ["'english'", '"en"']),
        ({"source": [FOLDER], "publish": {"date": "2026-02-31"}}, ["2026-02-31", "YYYY-MM-DD"]),
        ({"source": [FOLDER], "labels": {"clip": ["embedded"] * 2}}, ["labels.clip", "twice"]),
        ({"source": [FOLDER], "labels": {"rule": ["clip"] * 2}}, ["labels.rule", "twice"]),
        ({"source": [{**FOLDER, "style": "photo"}]}, ["style = 'photo'", "realistic"]),
        ({"source": [{**FOLDER, "style": "natral"}]}, ["'natural'"]),
        ({"source": [{**FOLDER, "emotions": {"x": "happiness"}}]}, ["happiness", "known"]),
    ],
)
def test_parse_recipe__mistakes_name_the_key_and_the_fix(
    data: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(data, where="r.toml")
    for word in ["r.toml", *words]:
        assert word in str(caught.value)


def test_load_recipe__missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.toml"):
        load_recipe(tmp_path / "nowhere.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(RecipeError, match="not valid TOML"):
        load_recipe(broken)


def test_parse_recipe__sources_get_distinct_names() -> None:
    recipe = parse_recipe({"source": [FOLDER, {**FOLDER, "path": "other/p"}]}, where="r.toml")
    assert [source.name for source in recipe.source] == ["p", "p-2"]
