"""Arms beside `full`: at steps that all reached, and at equal CPU time on `full`'s own curve."""

from typing import Any

import pytest

from benchmarks.lab.study import parts_page


def run(arm: str, seed: int, points: list[tuple[int, float, float]]) -> dict[str, Any]:
    return {
        "arm": arm, "what": f"what {arm} is", "seed": seed,
        "points": [
            {"steps": steps, "cpu_s": cpu_s, "pictures_explained": value,
             "pictures_by_features": value, "families_by_features": value,
             "styles": {"20": [value, value], "200": [0.5, 0.5]}}
            for steps, cpu_s, value in points
        ],
    }  # fmt: skip


def test_parts__nothing_is_said_while_full_stands_alone() -> None:
    assert parts_page.lines([run("full", 0, [(250, 90.0, 0.1)])]) == []


def test_parts__equal_steps_are_the_largest_that_every_run_reached() -> None:
    full = run("full", 0, [(250, 90.0, 0.1), (500, 180.0, 0.2), (1000, 360.0, 0.4)])
    mae = run("mae", 0, [(250, 45.0, 0.15), (500, 90.0, 0.25), (800, 180.0, 0.30)])
    page = "\n".join(parts_page.lines([full, mae]))
    assert "### After 500 steps" in page and "`mae`: what mae is" in page
    assert "+0.050 (+0.050 to +0.050)" in page
    assert "### After 3 CPU minutes" in page
    assert "| full | | 0.200" in page  # at 180 s, as measured there
    assert "+0.100 (+0.100 to +0.100)" in page


def test_parts__between_points_full_is_read_in_the_log_of_time() -> None:
    full = run("full", 0, [(250, 100.0, 0.1), (1000, 400.0, 0.3)])
    assert parts_page._at_time(full, 200.0)["pictures_explained"] == pytest.approx(0.2)
