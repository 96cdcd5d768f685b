"""Where the embedded CLIP is believed, and what a build makes of the rest."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import emo8
from emo8.core.errors import ModelError
from emo8.demo import sample
from emo8.labels.clip import domain
from emo8.labels.clip.models import EMBEDDED_DIR
from emo8.pipeline.run import build
from emo8.publish.release import verify_folder
from emo8.report import page
from emo8.review import sheets

RECIPE = """name = "mixed"
[[source]]
kind = "folder"
path = "pictures"
style = "clip"
license = "CC0-1.0"
[labels]
clip = ["embedded"]
[people]
detector = "off"
"""


def sample_pictures(style: str, count: int) -> list[bytes]:
    """Encoded pictures of the sample's table."""
    rows = pq.read_table(sample.root() / "table" / "sample.parquet").to_pylist()
    return [row["image"]["bytes"] for row in rows if row["style"] == style][:count]


def test_of__a_public_model_and_a_folder_that_says_nothing_have_none(tmp_path: Path) -> None:
    assert domain.of("ViT-B-16/openai") is None
    assert domain.of(f"local-dir:{tmp_path}") is None
    (tmp_path / domain.NAME).write_text('{"direction": "north"}')
    with pytest.raises(ModelError, match=r"domain\.json is no domain"):
        domain.of(f"local-dir:{tmp_path}")


def test_says_something__only_where_a_name_is_preferred() -> None:
    prob = np.array([domain.nothing_said(4), [0.4, 0.2, 0.2, 0.2]])
    assert domain.says_something(prob).tolist() == [False, True]
    assert domain.says_something(np.ones((1, 1))).tolist() == [True]


def test_embedded__the_page_shows_what_was_measured() -> None:
    groups = json.loads((EMBEDDED_DIR / domain.NAME).read_text())["measured"]
    photographs = [found for name, found in groups.items() if name.startswith("natural")]
    wrong = sum(found["n"] * found["wrong_style_after"] for found in photographs)
    assert wrong < 0.1 * sum(found["n"] for found in photographs)
    page_text = Path("docs/labels.md").read_text(encoding="utf-8")
    for name, found in groups.items():
        assert f"| {name} | {found['n']:,} | {found['inside']:.1%}".replace("%", " %") in page_text


def test_label__claims_nothing_about_photographs() -> None:
    drawings, photographs = (
        [Image.open(io.BytesIO(data)) for data in sample_pictures(style, 8)]
        for style in ("cartoon", "natural")
    )
    said = emo8.label([*drawings, *photographs])
    assert said["style"][8:].isna().all() and said["emotion"][8:].isna().all()
    assert said["style"][:8].notna().sum() >= 4 and (said["margin"][8:] == 0).all()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of four drawings and four photographs whose styles nobody gives."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "pictures").mkdir()
    for style in ("cartoon", "natural"):
        for number, data in enumerate(sample_pictures(style, 4)):
            (folder / "pictures" / f"{style}-{number}.webp").write_bytes(data)
    (folder / "recipe.toml").write_text(RECIPE)
    build(folder / "recipe.toml", folder / "BUILD", workers=1)
    return folder / "BUILD"


def test_build__photographs_have_no_label_and_say_why(mixed: Path) -> None:
    rows = [
        row
        for path in (mixed / "dataset" / "data" / "any").glob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    assert len(rows) >= 4
    for row in rows:
        assert row["emotion"] is None and row["style"] is None
        assert row["emotion_rule"] == row["style_rule"] == "abstain"
        assert row["emotion_calibration"] == domain.OUT_OF_DOMAIN
        assert row["emotion_prob"] == [0.125] * 8 and len(set(row["style_prob"])) == 1
        assert max(row["emotion_raw_prob"]) > 0.125  # what the model would have said stays
    verdicts = pq.read_table(mixed / "tables" / "verdicts.parquet").to_pylist()
    outside = {row["source_path"] for row in verdicts if row["style"] is None}
    assert {f"natural-{k}.webp" for k in range(4)} <= outside
    assert any(row["style"] == "cartoon" for row in verdicts)


def test_build__report_sheets_and_release_take_rows_without_style(
    mixed: Path, tmp_path: Path
) -> None:
    from emo8.cli import main

    numbers = page.write(mixed)
    funnel = json.loads((mixed / "report" / "funnel.json").read_text())
    assert numbers["steps"][0]["num_rows"] == funnel["inputs"]
    assert numbers["steps"][-1]["num_rows"] == funnel["kept"] == numbers["num_rows"]
    assert sum(numbers["steps"][-1]["counts"]["any"].values()) >= 4
    assert len(sheets.queue(mixed)) == 0  # nobody contradicts a label
    assert main(["publish", str(mixed), "--to", str(tmp_path / "out")]) == 0
    assert verify_folder(tmp_path / "out") == []


def test_build__asked_to_guess_it_claims_a_style_for_every_row(mixed: Path, tmp_path: Path) -> None:
    shutil.copytree(mixed.parent / "pictures", tmp_path / "pictures")
    guess = RECIPE.replace('["embedded"]\n', '["embedded"]\nout_of_domain = "guess"\n')
    (tmp_path / "recipe.toml").write_text(guess)
    build(tmp_path / "recipe.toml", tmp_path / "BUILD", workers=1)
    verdicts = pq.read_table(tmp_path / "BUILD" / "tables" / "verdicts.parquet").to_pylist()
    assert {row["style_rule"] for row in verdicts} == {"clip"}
    assert {row["emotion_rule"] for row in verdicts} == {"clip"}
