import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from emo8.core.errors import BuildError, SourceError
from emo8.core.reasons import REASONS
from emo8.pipeline.run import build
from tests.conftest import encoded, picture, write_recipe


def tree_hash(folder: Path) -> dict[str, str]:
    """Relative path -> SHA-256 of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def funnel(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report" / "funnel.json").read_text())


@pytest.fixture
def own(small: Path, tmp_path: Path) -> Path:
    """A copy of the finished small build and its inputs, to change."""
    return Path(shutil.copytree(small, tmp_path / "own"))


def test_build__every_input_is_kept_or_has_a_reason(small: Path) -> None:
    numbers = funnel(small / "BUILD")
    assert numbers["inputs"] == 37
    assert numbers["inputs"] == numbers["kept"] + sum(numbers["rejected"].values())
    assert set(numbers["rejected"]) <= set(REASONS)
    left = pq.read_table(small / "BUILD" / "tables" / "rejected.parquet").to_pylist()
    reasons = {row["source_path"].split("/")[-1]: row["reason"] for row in left}
    assert reasons == {
        "broken.jpg": "truncated",
        "notes.jpg": "not_an_image",
        "tiny.png": "too_small",
        "copy.jpg": "duplicate_exact",
        "recompressed.jpg": "duplicate_near",
    }
    assert next(row["value"] for row in left if row["reason"] == "too_small") == 20


def test_build__dataset_loads_and_streams_with_plain_datasets(small: Path, tmp_path: Path) -> None:
    import datasets

    path = str(small / "BUILD" / "dataset")
    loaded = datasets.load_dataset(path, cache_dir=str(tmp_path))
    rows = [row for split in loaded.values() for row in split]
    assert len(rows) == funnel(small / "BUILD")["kept"]
    streamed = datasets.load_dataset(path, split="train", streaming=True)
    assert sum(1 for _ in streamed) == len(loaded["train"])
    names = loaded["train"].features["emotion"].names
    blobs = {row["caption"]: row for row in rows if row["caption"]}
    assert names[blobs["blobs number 3"]["emotion"]] == "sadness"
    assert blobs["blobs number 3"]["emotion_rule"] == "source"
    assert blobs["blobs number 2"]["emotion_rule"] == "clip"
    assert blobs["blobs number 2"]["people"][0]["x1"] == pytest.approx(0.6)
    for row in rows:
        assert sum(row["emotion_prob"]) == pytest.approx(1, abs=1e-3)
        assert row["image"].size == (row["width"], row["height"])


def test_build__provenance_of_an_exact_copy_goes_to_the_row_that_stays(small: Path) -> None:
    shards = (small / "BUILD" / "dataset" / "data" / "cartoon").glob("*.parquet")
    rows = [row for path in shards for row in pq.read_table(path).to_pylist()]
    original = (small / "pictures" / "cartoon" / "1.jpg").read_bytes()
    kept = next(row for row in rows if row["id"] == hashlib.sha256(original).hexdigest())
    assert kept["also_from"] == [{"source": "pictures", "source_url": None, "emotion": None}]


def test_build__same_bytes_whatever_the_worker_count(
    small: Path, tmp_path: Path, make_inputs: Callable[[Path], Path]
) -> None:
    build(small / "recipe.toml", tmp_path / "BUILD", workers=1)
    assert tree_hash(tmp_path / "BUILD" / "dataset") == tree_hash(small / "BUILD" / "dataset")


def test_build__finished_build_says_so_and_changes_nothing(own: Path) -> None:
    # the copy's inputs have new paths but the same recipe, so the parts are redone once
    build(own / "recipe.toml", own / "BUILD", workers=1)
    before = {path: path.stat().st_mtime_ns for path in (own / "BUILD").rglob("*.parquet")}
    result = build(own / "recipe.toml", own / "BUILD", workers=1)
    assert result.already_complete
    after = {path: path.stat().st_mtime_ns for path in (own / "BUILD").rglob("*.parquet")}
    assert after == before


def test_build__threshold_change_reuses_every_part_and_only_touched_shards(small: Path) -> None:
    recipe = small / "recipe.toml"
    original = recipe.read_text()
    target = small / "BUILD"
    data = tree_hash(target / "dataset")
    parts = {
        p: p.stat().st_mtime_ns
        for t in ("rows", "columns")
        for p in (target / t).rglob("*.parquet")
    }
    compared = target / "tables" / "compared.parquet"  # no search for copies either
    parts[compared] = compared.stat().st_mtime_ns
    shards = {p: p.stat().st_mtime_ns for p in (target / "dataset").rglob("*.parquet")}
    try:
        recipe.write_text(original + "[decide.style.cartoon]\nmin_side_px = 121\n")
        build(recipe, target, workers=1)
        assert funnel(target)["rejected"]["too_small"] > 1
        assert all(path.stat().st_mtime_ns == then for path, then in parts.items())
        for path, then in shards.items():
            if "cartoon" not in str(path):
                assert path.stat().st_mtime_ns == then, path
        assert not list((target / "dataset" / "data" / "cartoon").glob("*.parquet"))
    finally:
        recipe.write_text(original)
        build(recipe, target, workers=1)
    assert tree_hash(target / "dataset") == data


def test_build__truncated_part_is_redone_to_the_same_bytes(own: Path) -> None:
    build(own / "recipe.toml", own / "BUILD", workers=1)
    before = tree_hash(own / "BUILD" / "dataset")
    part = own / "BUILD" / "columns" / "measure" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:500])
    shutil.rmtree(own / "BUILD" / "dataset" / "data" / "cartoon")
    result = build(own / "recipe.toml", own / "BUILD", workers=1)
    assert not result.already_complete
    assert tree_hash(own / "BUILD" / "dataset") == before


def test_build__killed_on_the_way_it_finishes_to_the_same_bytes(
    small: Path, tmp_path: Path
) -> None:
    target = tmp_path / "BUILD"
    command = [
        sys.executable,
        "-m",
        "emo8.cli",
        "build",
        str(small / "recipe.toml"),
        "-o",
        str(target),
    ]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    time.sleep(5.0)  # twenty-five random moments: test_reliability.py
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True, capture_output=True)
    assert tree_hash(target / "dataset") == tree_hash(small / "BUILD" / "dataset")


def test_build__another_recipes_folder_is_refused_naming_both(small: Path, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.jpg").write_bytes(encoded(picture(1)))
    recipe = write_recipe(
        tmp_path, '[[source]]\nkind = "folder"\npath = "p"\nstyle = "natural"', name="other"
    )
    with pytest.raises(BuildError, match=r"'small'.*'other'"):
        build(recipe, small / "BUILD")


def test_build__foreign_folder_is_refused(small: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(BuildError, match=r"thesis\.txt.*'small'"):
        build(small / "recipe.toml", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_build__second_writer_is_told_who_holds_the_build(small: Path) -> None:
    from emo8.engine.build_folder import writing

    with writing(small / "BUILD"), pytest.raises(BuildError, match=str(os.getpid())):
        build(small / "recipe.toml", small / "BUILD")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('kind = "folder"\npath = "none"\nstyle = "natural"', ["none", "not a folder"]),
        ('kind = "folder"\npath = "texts"\nstyle = "natural"', ["no images", "texts"]),
        ('kind = "folder"\npath = "p"', ["no style", "style_from"]),
        ('kind = "folder"\npath = "q"\nstyle_from = "folder"', ["natral", "'natural'"]),
        ('kind = "table"\npath = "t.csv"\nstyle = "natural"', ["'image'", "t.csv", "picture"]),
        ('kind = "table"\npath = "u.csv"', ["no style"]),
        ('kind = "table"\npath = "*.parquet"\nstyle = "natural"', ["no file matches"]),
        (
            'kind = "table"\npath = "u.csv"\nstyle = "natural"\ncolumns = { captoin = "x" }',
            ["captoin", "'caption'"],
        ),
    ],
)
def test_build__unusable_sources_name_value_place_and_fix(
    tmp_path: Path, source: str, words: list[str]
) -> None:
    for folder in ("p", "q/natral", "texts"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "p" / "a.jpg").write_bytes(encoded(picture(1)))
    (tmp_path / "q" / "natral" / "a.jpg").write_bytes(encoded(picture(1)))
    (tmp_path / "texts" / "a.txt").write_text("words")
    (tmp_path / "t.csv").write_text("picture,caption\np/a.jpg,hello\n")
    (tmp_path / "u.csv").write_text("image,caption\np/a.jpg,hello\n")
    with pytest.raises(SourceError) as caught:
        build(write_recipe(tmp_path, f"[[source]]\n{source}"), tmp_path / "BUILD")
    for word in words:
        assert word in str(caught.value)
    assert not (tmp_path / "BUILD").exists()


def test_build__black_drawings_on_transparent_ground_are_no_copies(tmp_path: Path) -> None:
    """Without their alpha all of them are one black square."""
    (tmp_path / "pictures").mkdir()
    for name in ("face", "tree", "house"):
        art = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
        drawn = ImageDraw.Draw(art)
        if name == "face":
            drawn.ellipse((15, 15, 145, 145), outline="black", width=7)
            drawn.arc((50, 50, 110, 110), 0, 180, fill="black", width=7)
        elif name == "tree":
            drawn.polygon([(80, 8), (144, 120), (16, 120)], fill="black")
        else:
            drawn.rectangle((32, 72, 128, 152), fill="black")
            drawn.line((16, 72, 80, 16, 144, 72), fill="black", width=8)
        art.save(tmp_path / "pictures" / f"{name}.png")
    recipe = write_recipe(
        tmp_path, '[[source]]\nkind = "folder"\npath = "pictures"\nstyle = "cartoon"\n'
    )
    result = build(recipe, tmp_path / "BUILD", workers=1)
    assert result.funnel["kept"] == 3 and result.understood["grounds"] == {"white": 3}


def test_build__white_art_on_transparent_ground_stays_and_says_its_ground(tmp_path: Path) -> None:
    art = Image.new("RGBA", (160, 120), (255, 255, 255, 0))
    drawn = ImageDraw.Draw(art)
    for k in range(3):
        drawn.ellipse((10 + 45 * k, 30, 50 + 45 * k, 90), fill="white")
    (tmp_path / "pictures").mkdir()
    art.save(tmp_path / "pictures" / "cloud.png")
    picture(5).save(tmp_path / "pictures" / "plain.png")
    recipe = write_recipe(
        tmp_path, '[[source]]\nkind = "folder"\npath = "pictures"\nstyle = "cartoon"\n'
    )
    result = build(recipe, tmp_path / "BUILD", workers=1)
    assert result.funnel["kept"] == 2 and result.understood["grounds"] == {"black": 1}
    shards = (tmp_path / "BUILD" / "dataset" / "data").glob("*/*.parquet")
    rows = {row["ground"]: row for shard in shards for row in pq.read_table(shard).to_pylist()}
    assert set(rows) == {"black", None}
    laid = np.asarray(Image.open(io.BytesIO(rows["black"]["image"]["bytes"])).convert("L"))
    assert laid[0, 0] < 8 and laid[60, 30] > 247
