"""A filter of one file: found, measured, decided by, tried and described, also in an old build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest
from PIL import Image

from emo8.core.checks import Check, registered
from emo8.measure.filters import FILTERS
from emo8.measure.filters.base import Filter
from emo8.pipeline.run import build
from tests.conftest import encoded, picture
from tests.emo8.changed import environment, run

REDNESS = '''
from typing import Any, ClassVar

import pyarrow as pa

from emo8.core.checks import Check
from emo8.measure.filters.base import Filter, Picture


class Redness(Filter):
    """How red a picture is."""

    columns: ClassVar[dict[str, pa.DataType]] = {"red_share": pa.float32()}
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            reason="too_red",
            meaning="more red than decide.max_red_share; value = share of all light",
            column="red_share",
            threshold="max_red_share",
            default=0.9,
            why="share of all light; what is redder is a colour card",
            below=False,
        ),
    )

    def measure(self, picture: Picture) -> dict[str, Any]:
        red, all_light = float(picture.red.sum()), float(
            picture.red.sum() + picture.green.sum() + picture.blue.sum()
        )
        return {"red_share": red / max(all_light, 1.0)}
'''
RECIPE = """\
name = "redness"
[labels]
clip = ["embedded"]
[people]
detector = "off"
[[source]]
kind = "folder"
path = "p"
style = "natural"
license = "CC0-1.0"
"""


@pytest.fixture
def with_redness(tmp_path: Path) -> dict[str, str]:
    """The environment of an emo8 that is this one with one file more."""
    return environment(tmp_path / "site", "measure/filters/redness.py", REDNESS)


def test_one_file__works_in_a_build_that_was_complete(
    tmp_path: Path, with_redness: dict[str, str]
) -> None:
    (tmp_path / "p").mkdir()
    for seed in range(2):
        (tmp_path / "p" / f"{seed}.jpg").write_bytes(encoded(picture(seed, (160, 120))))
    red = Image.effect_noise((160, 120), 90)
    red = Image.merge("RGB", [red, Image.new("L", red.size, 4), Image.new("L", red.size, 9)])
    (tmp_path / "p" / "red.png").write_bytes(encoded(red, "PNG"))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    out = tmp_path / "B"
    assert build(tmp_path / "recipe.toml", out, workers=1).funnel["kept"] == 3

    early = run(with_redness, "decide", str(out), "--try", "max_red_share=0.5")
    assert early.returncode == 2
    assert "red_share" in early.stderr and "emo8 build" in early.stderr

    again = run(with_redness, "build", str(tmp_path / "recipe.toml"), "-o", str(out))
    assert again.returncode == 0, again.stderr
    assert "already complete" not in again.stdout
    assert "more red than decide.max_red_share" in again.stdout
    assert json.loads((out / "report" / "funnel.json").read_text())["rejected"] == {"too_red": 1}
    assert "more red than decide.max_red_share" in (out / "dataset" / "README.md").read_text()

    tried = run(with_redness, "decide", str(out), "--try", "max_red_share=1.0", "--json")
    assert json.loads(tried.stdout)["returning"] == {"too_red": 1}
    listed = run(with_redness, "decide", str(out))
    assert "max_red_share" in listed.stdout
    done = run(with_redness, "build", str(tmp_path / "recipe.toml"), "-o", str(out))
    assert "already complete" in done.stdout


GOOD = {
    "reason": "odd", "meaning": "it is odd", "column": "oddness", "threshold": "max_oddness",
    "default": 1.0, "why": "1 = off", "below": False,
}  # fmt: skip


@pytest.mark.parametrize("missing", ["reason", "meaning", "threshold", "default", "why"])
def test_check__without_its_threshold_or_reason_is_an_error_at_import(missing: str) -> None:
    with pytest.raises(TypeError, match=missing):
        Check(**{key: value for key, value in GOOD.items() if key != missing})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"meaning": " "}, "'odd' has no meaning"),
        ({"why": ""}, "'odd' has no why"),
        ({"default": "big"}, "'big' is no number"),
        ({"default": True}, "True is no number"),
        ({"threshold": "max oddness"}, "'max oddness'"),
    ],
)
def test_check__that_says_nothing_is_an_error_at_import(
    changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Check(**{**GOOD, **changes})  # type: ignore[arg-type]


def test_filter__that_checks_what_it_does_not_measure_is_an_error_at_import() -> None:
    with pytest.raises(TypeError, match="checks 'oddness', which it does not measure: other"):

        class Odd(Filter):
            columns: ClassVar[dict[str, pa.DataType]] = {"other": pa.float32()}
            checks: ClassVar[tuple[Check, ...]] = (Check(**GOOD),)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="names no columns"):

        class Empty(Filter):
            pass


def test_filters__every_check_is_registered_in_the_order_of_the_filters() -> None:
    own = [check for item in FILTERS for check in item.checks]
    assert list(registered())[: len(own)] == own
    assert [check.reason for check in own][:3] == ["animated", "extreme_aspect", "too_small"]
