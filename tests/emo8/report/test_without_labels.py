"""A build of which nobody says anything (photographs under the embedded CLIP) can be looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emo8 import cli


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of four pictures that are unlike any drawing, without a label."""
    folder = tmp_path_factory.mktemp("unlabelled")
    (folder / "p").mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = rng.integers(0, 255, (128, 160, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "p" / f"{number}.png")
    recipe = folder / "r.toml"
    recipe.write_text(
        '[[source]]\nkind = "folder"\npath = "p"\nstyle = "clip"\nlicense = "CC0-1.0"\n'
        '[labels]\nclip = ["embedded"]\n[people]\ndetector = "off"\n'
    )
    assert cli.main(["build", str(recipe), "-o", str(folder / "BUILD"), "--workers", "1"]) == 0
    return folder / "BUILD"


def test_report__says_that_clip_claims_nothing(unlabelled: Path) -> None:
    assert cli.main(["report", str(unlabelled)]) == 0
    page = (unlabelled / "report" / "report.html").read_text("utf-8")
    assert "CLIP makes no claim about any row." in page


@pytest.mark.parametrize(
    "words",
    [
        ["status", "BUILD"],
        ["decide", "BUILD", "--try", "min_side_px=200"],
        ["report", "BUILD", "--duplicates"],
        ["review", "BUILD"],
        ["review", "BUILD", "--export", "OUT/queue.csv"],
        ["review", "BUILD", "--export", "OUT/errors.csv", "--pick", "errors"],
        ["leaks", "check", "BUILD"],
        ["publish", "BUILD", "--to", "OUT/DIR"],
    ],
    ids=" ".join,
)
def test_commands__that_look_at_it_succeed(
    unlabelled: Path, tmp_path: Path, words: list[str]
) -> None:
    places = {"BUILD": str(unlabelled), "OUT": str(tmp_path)}
    filled = [
        word.replace("BUILD", places["BUILD"]).replace("OUT", places["OUT"]) for word in words
    ]
    assert cli.main(filled) == 0
