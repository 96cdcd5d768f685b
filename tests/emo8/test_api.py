"""emo8 from Python."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import emo8
from emo8.core.errors import BuildError, ImageError
from emo8.core.taxonomy import EMOTIONS, STYLES
from tests.conftest import encoded, picture
from tests.emo8.core.profiles import P3

RECIPE = """
name = "small"
[[source]]
kind = "folder"
path = "pictures"
style = "natural"
license = "CC0-1.0"
[labels]
clip = ["embedded"]
out_of_domain = "guess"
[people]
detector = "off"
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    (folder / "pictures").mkdir()
    for seed in range(12):
        (folder / "pictures" / f"{seed}.jpg").write_bytes(encoded(picture(seed)))
    (folder / "pictures" / "broken.jpg").write_bytes(b"nothing")
    (folder / "recipe.toml").write_text(RECIPE)
    return folder / "recipe.toml"


@pytest.fixture(scope="module")
def made(recipe: Path) -> emo8.Build:
    return emo8.build(recipe, recipe.parent / "BUILD", workers=1)


def test_build__gives_tables_and_funnel(made: emo8.Build) -> None:
    assert made.funnel["inputs"] == 13 and made.funnel["kept"] == 12
    frame = made.to_pandas()
    assert len(frame) == 12 and "image" not in frame and set(frame["emotion"]) <= set(EMOTIONS)
    assert set(frame["style"]) == {"natural"} and set(frame["split"]) <= {"train", "val", "test"}
    assert made.table(["id"]).column_names == ["id", "split"]
    assert list(made.rejected()["reason"]) == ["not_an_image"]


def test_build__loads_with_pictures(made: emo8.Build) -> None:
    assert made.load(split="train")[0]["image"].size == (160, 120)


def test_open_build__folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=str(tmp_path)):
        emo8.open_build(tmp_path)


def test_label__files_arrays_and_pil_agree(recipe: Path) -> None:
    file = recipe.parent / "pictures" / "3.jpg"
    pixels = np.asarray(picture(3))
    frame = emo8.label([file, pixels, picture(3)], out_of_domain="guess")
    assert list(frame.index) == [str(file), 1, 2]
    assert set(frame["emotion"]) <= set(EMOTIONS) and set(frame["style"]) <= set(STYLES)
    np.testing.assert_allclose(frame["emotion_prob"][1], frame["emotion_prob"][2], atol=1e-5)
    np.testing.assert_allclose(frame["emotion_prob"].iloc[0], frame["emotion_prob"][1], atol=0.1)
    assert np.sum(frame["emotion_prob"][1]) == pytest.approx(1, abs=1e-5)


def test_label__file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no")
    with pytest.raises(ImageError, match=r"a\.jpg: not a readable picture"):
        emo8.label([tmp_path / "a.jpg"])
    with pytest.raises(ImageError, match=r"b\.jpg: no such file"):
        emo8.label([tmp_path / "b.jpg"])


def test_import__stays_light() -> None:
    code = (
        "import sys, emo8, pretrain; print(sorted(set(sys.modules) & {'torch', 'numpy', 'pandas'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_label__a_pil_picture_is_seen_as_its_file(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = Image.fromarray(np.asarray(picture(3).convert("L")).astype(np.uint16) * 16)
    files = {
        "turned.jpg": encoded(picture(1), exif=exif),
        "p3.jpg": encoded(picture(2), icc_profile=P3),
        "wide.png": encoded(wide, "PNG"),
        "clear.png": encoded(picture(4).quantize(8), "PNG", transparency=0),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    paths = [tmp_path / name for name in files]
    by_file = emo8.label(paths)
    by_picture = emo8.label([Image.open(path) for path in paths])
    for one, two in zip(by_file["emotion_prob"], by_picture["emotion_prob"]):
        assert np.array_equal(one, two)


def test_build__tables_and_datasets_name_the_file_of_each_picture(small: Path) -> None:
    made = emo8.open_build(small / "BUILD")
    frame = made.to_pandas()
    assert frame["source_path"].notna().all()
    assert {"cartoon/1.jpg", "more.parquet#0/0.png"} <= set(frame["source_path"])
    assert list(made.to_pandas(["emotion"]).columns).count("source_path") == 0
    assert set(made.to_pandas(["emotion", "source_path"])) >= {"emotion", "source_path"}
    paths = dict(zip(frame["id"], frame["source_path"]))
    for split in made.load().values():
        assert split["source_path"] == [paths[key] for key in split["id"]]
