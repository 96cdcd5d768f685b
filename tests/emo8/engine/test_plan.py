"""Why parts are made anew."""

from __future__ import annotations

from typing import Any

from emo8.engine.plan import Plan, changes
from emo8.engine.steps import ROWS

READS = {"measure": [ROWS], "embed": [ROWS, "measure"]}


def plan(marks: dict[str, str], embed: dict[str, Any] | None = None, **options: Any) -> Plan:
    made = {"measure": {"columns": {"width": "int32"}}, "embed": {"options": embed or {}}}
    return Plan(
        fingerprints={step: [mark] for step, mark in marks.items()}, made_of=made, **options
    )


OLD = {ROWS: "r", "measure": "m", "embed": "e"}


def test_changes__none_where_nothing_changed_or_came_before() -> None:
    assert changes(plan(OLD), plan(OLD), READS) == {}
    assert changes(None, plan(OLD), READS) == {}


def test_changes__name_the_option_its_value_before_and_now() -> None:
    before = plan(OLD, {"activation": "gelu", "weights_sha256": "a" * 64})
    now = plan({**OLD, "embed": "f"}, {"activation": "quick_gelu", "weights_sha256": "b" * 64})
    assert changes(before, now, READS) == {
        "embed": "options.activation: gelu before, quick_gelu now; "
        "options.weights_sha256: aaaaaaaaaaaa… before, bbbbbbbbbbbb… now"
    }


def test_changes__name_new_columns_and_what_follows_from_them() -> None:
    now = plan({ROWS: "r", "measure": "n", "embed": "f"})
    now.made_of["measure"] = {"columns": {"width": "int32", "red_share": "float"}}
    found = changes(plan(OLD), now, READS)
    assert found["measure"] == "columns.red_share: nothing before, float now"
    assert found["embed"] == "made of measure, which changed"


def test_changes__stay_until_the_parts_are_made_anew_again() -> None:
    assert changes(plan(OLD, why={"embed": "x"}), plan(OLD), READS) == {"embed": "x"}


def test_changes__of_a_build_that_wrote_nothing_down() -> None:
    before = plan(OLD)
    before.made_of = {}
    found = changes(before, plan({ROWS: "s", "measure": "n", "embed": "f"}), READS)
    assert found[ROWS] == "the sources are others, or are read otherwise"
    assert "another version of emo8" in found["embed"]
