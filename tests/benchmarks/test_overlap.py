from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image

from benchmarks import overlap
from emo8.core.errors import Emo8Error
from tests.benchmarks.conftest import write
from tests.conftest import encoded


def picture(seed: int) -> Image.Image:
    """Coloured blocks: sharp enough that its detail hash survives shrinking and JPEG."""
    blocks = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((192, 144), Image.Resampling.NEAREST)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A RUN of the smallest recipe on twelve pictures, and those pictures' bytes."""
    from pretrain.config import recipes
    from pretrain.train.loop import pretrain

    folder = tmp_path_factory.mktemp("run")
    pictures = [encoded(picture(500 + k), "PNG") for k in range(12)]
    rows = [{"image": data, "caption": f"blobs {k}"} for k, data in enumerate(pictures)]
    write(rows, folder / "train.parquet")
    config = dataclasses.replace(recipes.cpu_smoke(), steps=1)
    pretrain(config, str(folder / "train.parquet"), folder / "RUN")
    return folder / "RUN", pictures


def faces(pictures, folder):
    rows = [
        {"image": data, "emotion": ("awe", "fear")[k % 2], "emotion_rule": "source"}
        for k, data in enumerate(pictures)
    ]
    return write(rows, folder / "faces.parquet")


def test_seen__same_bytes_and_copies_are_counted_and_told(run_folder, measure, tmp_path):
    run, pictures = run_folder
    again = encoded(picture(500), "JPEG", quality=80)  # the first one, recompressed
    fresh = [encoded(picture(900 + k), "PNG") for k in range(9)]
    data = faces([*pictures[1:3], again, *fresh], tmp_path)
    (result,) = measure(data, models=(str(run),), folds=2)
    assert result["seen"] == {"exact": 2, "near": 1}
    assert any("trained on 3 of the test pictures" in note for note in result["notes"])
    with pytest.raises(Emo8Error, match="not measured"):
        measure(data, models=(str(run),), folds=2, seen="refuse")
    (ignored,) = measure(data, models=(str(run),), folds=2, seen="ignore")
    assert "seen" not in ignored


def test_seen__none_where_pictures_are_new(run_folder, measure, tmp_path):
    run, _ = run_folder
    data = faces([encoded(picture(700 + k), "PNG") for k in range(12)], tmp_path)
    (result,) = measure(data, models=(str(run),), folds=2, seen="refuse")
    assert result["seen"] == {"exact": 0, "near": 0}


def test_seen__a_damaged_memory_is_an_error(run_folder, measure, tmp_path):
    run, pictures = run_folder
    shutil.copytree(run, tmp_path / "RUN")
    (tmp_path / "RUN" / overlap.FILE).write_bytes(b"half")
    data = faces(pictures, tmp_path)
    with pytest.raises(Emo8Error, match="what the model was trained on is not known"):
        measure(data, models=(str(tmp_path / "RUN"),), folds=2)
    with pytest.raises(Emo8Error, match="choose one of warn"):
        measure(data, models=(str(run),), folds=2, seen="maybe")


def test_memory__only_runs_have_one():
    assert overlap.memory_of("embedded") is None
    assert overlap.memory_of("pixels:16") is None
