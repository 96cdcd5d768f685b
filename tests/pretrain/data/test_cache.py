"""The cache file: the same views without datasets and open_clip."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pretrain.cli import main
from pretrain.config import recipes
from pretrain.config.resolve import resolve_features
from pretrain.config.settings import PretrainConfig, TeacherConfig
from pretrain.data.batches import StepBatches
from pretrain.data.cache import PackedImages, open_source, read_cache
from pretrain.teacher import load_teacher

ROOT = Path(__file__).parents[3]
WITHOUT_EXTRAS = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("datasets", "open_clip", "pyarrow", "pydantic"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
from pretrain.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, dataset_dir: Path, teacher_name: str) -> Path:
    path = tmp_path_factory.mktemp("cache") / "views.safetensors"
    arguments = ["cache", str(dataset_dir), "--out", str(path), "--recipe", "cpu_smoke"]
    assert main([*arguments, "--crops", "3", "--teacher.name", teacher_name]) == 0
    return path


@pytest.fixture
def config(teacher_name: str) -> PretrainConfig:
    recipe = recipes.cpu_smoke()
    return dataclasses.replace(recipe, teacher=TeacherConfig(name=teacher_name))


def test_cache__holds_the_same_pixels_and_texts(
    cache: Path, dataset_dir: Path, config: PretrainConfig
) -> None:
    for split in ("train", "val"):
        stored = open_source(str(cache), split, config)
        direct = open_source(str(dataset_dir), split, config)
        assert stored.ids == direct.ids
        for row in range(len(direct.ids)):
            for one, other in zip(stored.pixels(row), direct.pixels(row), strict=True):
                assert (one is None) == (other is None)
                assert one is None or torch.equal(one, other)
            assert (
                stored.texts[int(stored.text_index[row])]
                == direct.texts[int(direct.text_index[row])]
            )


def test_cache__teacher_saw_the_crop_that_the_student_sees(
    cache: Path, config: PretrainConfig
) -> None:
    source = open_source(str(cache), "train", config)
    batch = StepBatches(source, resolve_features(config, from_cache=True))[0]
    teacher = load_teacher(config.teacher, torch.device("cpu"))
    assert batch.teacher_image is not None
    live = teacher.image_features(batch.scene)
    torch.testing.assert_close(batch.teacher_image, live, atol=1e-4, rtol=1e-3)


def test_cache__other_teacher_is_refused_naming_both(cache: Path, config: PretrainConfig) -> None:
    other = dataclasses.replace(config, teacher=TeacherConfig(name="embedded"))
    with pytest.raises(ValueError) as problem:
        read_cache(cache, "train", other)
    assert "'local-dir:clip0'" in str(problem.value) and "'embedded'" in str(problem.value)


def test_cache__foreign_file_is_refused(trained: Path, config: PretrainConfig) -> None:
    weights = str(trained / "last" / "model.safetensors")
    with pytest.raises(ValueError, match="not a file of `uniemox cache`"):
        open_source(weights, "train", config)


def test_training__from_a_cache_needs_neither_datasets_nor_open_clip(
    cache: Path, tmp_path: Path, teacher_name: str
) -> None:
    run = tmp_path / "RUN"
    arguments = ["pretrain", "cpu_smoke", "--data", str(cache), "--out", str(run), "--steps", "2"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS, *arguments, "--teacher.name", teacher_name],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (run / "last" / "model.safetensors").exists()


def test_packed_images__give_back_what_was_packed() -> None:
    images = [torch.randint(0, 256, (h, w, 3), dtype=torch.uint8) for h, w in ((2, 3), (5, 1))]
    packed = PackedImages.pack([images[0], None, images[1]])
    first, none, last = (packed[row] for row in range(3))
    assert none is None and first is not None and last is not None
    assert torch.equal(first, images[0]) and torch.equal(last, images[1])
