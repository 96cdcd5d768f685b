import dataclasses
import json
import re
from pathlib import Path

import pytest

from emo8.core.errors import RecipeError
from emo8.core.settings import PublishConfig
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.dataset.shards import read_rows
from emo8.publish import card_numbers, cardyaml
from emo8.publish.card import CardInput, check_answers, context, questions, write_card


def given(small: Path, **publish: object) -> CardInput:
    stats = json.loads((small / "BUILD" / "report" / "stats.json").read_text())
    return CardInput(name="small", repo="user/small", publish=PublishConfig(**publish), stats=stats)  # type: ignore[arg-type]


def test_card__numbers_are_those_of_the_rows(released: Path) -> None:
    text = (released / "README.md").read_text()
    rows = read_rows(released, ["style", "emotion"]).to_pylist()
    for number, style in enumerate(STYLES):
        own = [row["emotion"] for row in rows if row["style"] == number]
        counts = [own.count(place) for place in range(len(EMOTIONS))]
        line = f"| {style} | {' | '.join(map(str, counts))} | {len(own)} |"
        assert line in text
    assert "37 inputs from 2 sources; 32 kept" in text
    assert "| `too_small` | 1 | the shorter side is under decide.min_side_px" in text


def test_card__says_how_many_rows_lack_an_emotion_or_a_style(
    small: Path, spoiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = card_numbers.count(spoiled)
    rows = {**dict.fromkeys(EMOTIONS, 0), "none": 2}
    counts = {"cartoon": {**rows, "awe": 30, "none": 0}, "any": rows}
    part = {"num_rows": 32, "unlabelled": 2, "unstyled": 3, "counts": counts}
    monkeypatch.setattr(card_numbers, "count", lambda root: counted | part)
    write_card(spoiled, given(small))
    text = (spoiled / "README.md").read_text()
    assert "32 images, 30 of them labelled with one of eight emotions in 1 style (cartoon)" in text
    assert "All but 3 have one of five styles, all but 2 one of eight emotions." in text
    assert "cartoon 30, any 2." in text
    assert "Eight categories are few" in text and "or kept where a source names them" in text


def test_card__every_question_is_answered_or_named_as_the_publishers(released: Path) -> None:
    text = (released / "README.md").read_text()
    sheet, _, open_questions = text.partition("### To be filled by the publisher")
    sections = ("Motivation", "Composition", "Collection process", "Uses", "Distribution")
    for section in (*sections, "Preprocessing, cleaning, labelling", "Maintenance"):
        assert f"### {section}\n" in sheet
    asked = questions()
    assert len(asked) > 35
    for key, question in asked.items():
        answer = re.search(re.escape(f"**{question}** ") + r"(.+)", sheet)
        assert answer, key
        left_open = answer[1] == "*To be filled by the publisher.*"
        assert left_open == (f"(`{key}`)" in open_questions.split("## Citation")[0]), key


def test_card__publishers_answers_replace_the_gaps(small: Path, spoiled: Path) -> None:
    answers = {key: f"answer to {key}" for key in questions()}
    write_card(spoiled, given(small, answers=answers, authors=("A. Lovelace",), contact="a@x.org"))
    text = (spoiled / "README.md").read_text()
    assert "to be filled by the publisher" not in text.lower()
    assert all(answer in text for answer in answers.values())
    assert "author = {A. Lovelace}" in text and "a@x.org" in text


def test_card__unknown_answer_names_the_nearest_question() -> None:
    with pytest.raises(RecipeError, match=r"'fundng'.*'funding'"):
        check_answers(PublishConfig(answers={"fundng": "x"}))


def test_card__names_the_limits_of_the_law_and_the_way_out(released: Path) -> None:
    text = (released / "README.md").read_text()
    for words in ("2024/1689", "article 5(1)(f)", "annex III", "article 50(3)"):
        assert words in text
    assert "## Removal requests" in text and "`clip`" in text and "| CC0-1.0 | cc0-1.0 |" in text


def test_card__local_models_are_named_without_their_path(small: Path, released: Path) -> None:
    base = given(small)
    stats = {**base.stats, "models": ["local-dir:/somewhere/of/mine/clip-b", "ViT-B-16/openai"]}
    numbers = context(released, dataclasses.replace(base, stats=stats))
    assert numbers["models"] == ["local-dir:clip-b", "ViT-B-16/openai"]


def test_front_matter__is_what_datasets_reads(released: Path) -> None:
    card = cardyaml.read_front_matter((released / "README.md").read_text())
    assert cardyaml.check(released) == []
    assert card["license"] == ["cc0-1.0"] or card["license"] == "cc0-1.0"
    names = [config["config_name"] for config in card["configs"]]
    assert names == ["default", *STYLES, "labels"]
    from datasets import get_dataset_config_names

    assert set(get_dataset_config_names(str(released))) == set(names)


def test_front_matter__several_licences_list_other_with_name_and_link() -> None:
    numbers = {
        "licenses": {"MIT": 2, "house": 5, "PD": 1},
        "hub_ids": {"MIT": "mit", "house": "other", "PD": "other"},
    }
    assert card_numbers.hub_licenses(numbers) == ["other", "mit"]


def test_build_without_a_kept_row_still_has_a_card(tmp_path: Path) -> None:
    from emo8.pipeline.run import build
    from tests.conftest import encoded, picture, write_recipe

    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.png").write_bytes(encoded(picture(1, (20, 20)), "PNG"))
    source = '[[source]]\nkind = "folder"\npath = "p"\nstyle = "natural"'
    result = build(write_recipe(tmp_path, source), tmp_path / "BUILD", workers=1)
    assert result.funnel["kept"] == 0
    assert "0 pictures" in (tmp_path / "BUILD" / "dataset" / "README.md").read_text()
