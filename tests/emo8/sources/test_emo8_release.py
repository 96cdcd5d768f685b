from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emo8.cli import main
from emo8.core.errors import SourceError
from emo8.core.taxonomy import EMOTIONS
from emo8.sources.emo8_release import layout
from tests.conftest import encoded, picture


def folders(root: Path, *levels: str) -> Path:
    """One picture in each of these folders."""
    for number, level in enumerate(levels):
        (root / level).mkdir(parents=True)
        (root / level / "1.jpg").write_bytes(encoded(picture(500 + number)))
    return root


def test_auto__keeps_emotions_and_splits_and_lets_clip_claim_the_style(tmp_path: Path) -> None:
    names = [f"{split}/{emotion}" for split in ("train", "val", "test") for emotion in EMOTIONS[:2]]
    source = folders(tmp_path / "Emo8", *names)
    recipe = tmp_path / "B.toml"
    recipe.write_text(
        'name = "released"\n[[source]]\nkind = "folder"\npath = "Emo8"\nlayout = "auto"\n'
        'license = "as released"\n[labels]\nclip = ["embedded"]\nout_of_domain = "guess"\n'
    )
    assert main(["build", str(recipe), "-o", str(tmp_path / "B"), "--workers", "1"]) == 0
    assert source.is_dir()
    rows = {}
    for shard in (tmp_path / "B" / "dataset" / "data").glob("*/*.parquet"):
        for row in pq.read_table(shard).drop_columns(["image"]).to_pylist():
            rows[row["id"]] = (shard.stem.split("-")[0], EMOTIONS[row["emotion"]], row)
    assert sorted(f"{split}/{emotion}" for split, emotion, _ in rows.values()) == sorted(names)
    for _, _, row in rows.values():
        assert row["emotion_rule"] == "source" and row["style_rule"] == "clip"
        assert row["license"] == "as released"


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (("train/awe", "val/fear"), "split/emotion"),
        (("train/cartoon/awe", "test/natural/fear"), "split/style/emotion"),
        (("cartoon/train/awe", "natural/val/sad"), "style/split/emotion"),
    ],
)
def test_layout__is_seen_from_the_folder_names(
    tmp_path: Path, levels: tuple[str, ...], expected: str
) -> None:
    assert layout(folders(tmp_path, *levels)) == expected


@pytest.mark.parametrize("levels", [("pictures/awe",), ("train/joy",), ("awe",)])
def test_layout__of_another_form_says_what_was_expected(
    tmp_path: Path, levels: tuple[str, ...]
) -> None:
    with pytest.raises(SourceError, match="expected train, val, test"):
        layout(folders(tmp_path, *levels))


def test_layout__of_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a folder"):
        layout(tmp_path / "none")
