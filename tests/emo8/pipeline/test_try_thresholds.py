import io
import json
from pathlib import Path

import pytest
from PIL import Image

from emo8.cli import main
from emo8.pipeline.run import build
from tests.conftest import write_recipe
from tests.emo8.pipeline.test_run import funnel, tree_hash


def tried(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert main(["decide", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_decide__try_says_what_a_build_would_then_do(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree_hash(small / "BUILD")
    sheet = tmp_path / "sheet.png"
    answer = tried(
        capsys, str(small / "BUILD"), "--sheet", str(sheet),
        "--try", "style.cartoon.min_side_px=121", "--try", "min_side_px=15",
    )  # fmt: skip
    assert tree_hash(small / "BUILD") == before
    assert Image.open(io.BytesIO(sheet.read_bytes())).size[0] > 100
    recipe = (small / "recipe.toml").read_text().replace('path = "', f'path = "{small}/')
    (tmp_path / "recipe.toml").write_text(
        recipe + "[decide]\nmin_side_px = 15\n[decide.style.cartoon]\nmin_side_px = 121\n"
    )
    build(tmp_path / "recipe.toml", tmp_path / "B", workers=2)
    after, now = funnel(tmp_path / "B"), funnel(small / "BUILD")
    assert answer["leaving"] == {"too_small": now["kept"] - after["kept"]}
    assert answer["returning"] == {}  # cartoon/tiny.png is under the cartoons' own threshold
    assert sum(kept for _, kept in answer["kept"].values()) == after["kept"]  # type: ignore
    assert answer["orphaned_copies"] == 2


def test_decide__rows_return_when_a_threshold_is_lowered(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = str(tmp_path / "s.png")
    answer = tried(capsys, str(small / "BUILD"), "--sheet", sheet, "--try", "min_side_px=10")
    assert (answer["leaving"], answer["returning"]) == ({}, {"too_small": 1})


def test_decide__without_try_lists_every_threshold(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decide", str(small / "BUILD")]) == 0
    shown = capsys.readouterr().out
    for name in ("min_side_px", "max_unsafe_prob", "min_caption_sim", "min_bright_p99"):
        assert name in shown


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("min_side=3", ["min_side", "'min_side_px'"]),
        ("min_side_px=big", ["'big'"]),
        ("style.cartoons.min_side_px=3", ["cartoons", "'cartoon'"]),
        ("max_near_distance=2", ["emo8 build"]),
        ("a.b.c.min_side_px=3", ["style.NAME.key=value"]),
    ],
)
def test_decide__mistakes_are_named(
    small: Path, capsys: pytest.CaptureFixture[str], setting: str, words: list[str]
) -> None:
    assert main(["decide", str(small / "BUILD"), "--try", setting]) == 2
    shown = capsys.readouterr().err
    assert all(word in shown for word in words)


def test_decide__an_undecided_build_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recipe(tmp_path, "")
    assert main(["decide", str(tmp_path)]) == 2
    assert "emo8 build" in capsys.readouterr().err
