"""Added questions on the page: what was asked is told, with verdicts only from intervals."""

from typing import Any

from benchmarks.lab.study import further_page, person_view

RIGHT, WRONG = [1.0] * 40, [0.0] * 40


def full(seed: int) -> dict[str, Any]:
    views = {"scene": WRONG, "person": RIGHT, "random crop": WRONG, "scene + person": WRONG,
             "scene + random crop": WRONG}  # fmt: skip
    students = {f"student with {name}": RIGHT for name in ("person", "random", "scene")}
    return {
        "arm": "full",
        "seed": seed,
        "artists": {name: {"dylan": RIGHT if name == "run" else WRONG}
                    for name in ("run", "untrained", "pixels", "teacher")},
        "person_view": {"run": views | students, "untrained": views, "teacher": views,
                        "overlap": {"asked": [0.75]}},
        "fine_tuned": {"run": {"style, 20 labels": WRONG},
                       "untrained": {"style, 20 labels": RIGHT}},
    }  # fmt: skip


def test_further__verdicts_follow_the_intervals() -> None:
    page = "\n".join(further_page.lines([full(0), full(1)]))
    assert "| dylan | 40 | 1.000 | 0.000 | 0.000 | 0.000 | +1.000 (+1.000 to +1.000) |" in page
    assert "| person | random crop | +1.000 | +1.000 to +1.000 | better |" in page
    assert (
        "| scene + person | scene | +0.000 | +0.000 to +0.000 | no difference was shown |" in page
    )
    assert "| style, 20 labels | 0.000 | 1.000 | -1.000 | -1.000 to -1.000 | worse |" in page
    assert "75%" in page and "seeds 0, 1" in page


def test_further__without_answers_there_is_no_section() -> None:
    assert further_page.lines([{"arm": "full", "seed": 0}]) == []


def test_overlap__is_a_share_of_the_other_box() -> None:
    assert person_view._overlap((0, 0, 10, 10), (5, 0, 15, 10)) == 0.5
    assert person_view._overlap((0, 0, 10, 10), (20, 0, 30, 10)) == 0.0
