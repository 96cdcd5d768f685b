"""Datasets, caches and teachers that are not what a run expects."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from emo8.labels.clip import folder_models, models
from pretrain.cli import main
from pretrain.config import recipes
from pretrain.config.overrides import override
from pretrain.config.settings import PretrainConfig, TeacherConfig
from pretrain.data.cache import read_cache
from pretrain.data.dataset import open_dataset
from pretrain.teacher import load_teacher
from tests.conftest import encoded, picture


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_batch_of_one__trains_with_l1_at_zero(smoke_args: list[str], tmp_path: Path) -> None:
    words = [*smoke_args, "--out", str(tmp_path / "RUN"), "--steps", "2", "--data.batch_size", "1"]
    assert main(words) == 0
    steps = [line for line in lines(tmp_path / "RUN") if "step" in line]
    assert [line["losses"]["L1"] for line in steps] == [0.0, 0.0]
    assert all(line["losses"]["L3"] > 0 for line in steps)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A parquet with pictures and captions only: no ids, boxes, descriptions or emotions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures = [encoded(picture(seed, (50, 40))) for seed in range(10)]
    table = pa.table({"image": pictures, "caption": [f"number {n}" for n in range(10)]})
    pq.write_table(table, tmp_path / "bare.parquet")
    return tmp_path / "bare.parquet"


def test_dataset__pictures_and_captions_are_enough(
    bare: Path, teacher_name: str, tmp_path: Path
) -> None:
    words = ["pretrain", "cpu_smoke", "--data", str(bare), "--out", str(tmp_path / "RUN")]
    assert main([*words, "--steps", "1", "--teacher.name", teacher_name]) == 0


def test_dataset__without_emotion_cannot_tell_it(
    bare: Path, teacher_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pretrain", "cpu_smoke", "--data", str(bare), "--out", str(tmp_path / "RUN")]
    words += ["--teacher.name", teacher_name, "--data.text_with_emotion", "true"]
    assert main(words) == 2
    assert "no column 'emotion'" in capsys.readouterr().err


def test_dataset__nobody_in_it_and_skip_says_what_to_choose(
    bare: Path, teacher_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pretrain", "cpu_smoke", "--data", str(bare), "--out", str(tmp_path / "RUN")]
    words += ["--teacher.name", teacher_name, "--views.person_fallback", "skip", "--steps", "1"]
    assert main(words) == 2
    assert "choose whole or scene_crop" in capsys.readouterr().err


@pytest.fixture
def config(teacher_name: str) -> PretrainConfig:
    return dataclasses.replace(recipes.cpu_smoke(), teacher=TeacherConfig(name=teacher_name))


@pytest.fixture
def cache(dataset_dir: Path, teacher_name: str, tmp_path: Path) -> Path:
    path = tmp_path / "views.safetensors"
    words = ["cache", str(dataset_dir), "--out", str(path), "--recipe", "cpu_smoke", "--crops", "2"]
    assert main([*words, "--teacher.name", teacher_name]) == 0
    return path


def rewritten(path: Path, **changes: torch.Tensor) -> Path:
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    save_file({**tensors, **changes}, path.with_name("other.safetensors"), metadata)
    return path.with_name("other.safetensors")


def test_cache__nan_among_the_features_is_refused(cache: Path, config: PretrainConfig) -> None:
    with safe_open(cache, "pt") as file:
        features = file.get_tensor("crop_features")
    features[3, 1, 0] = float("nan")
    with pytest.raises(ValueError, match="1 rows hold NaN or infinity, first at 3"):
        read_cache(rewritten(cache, crop_features=features), "train", config)


def test_cache__of_another_revision_is_refused_naming_both(
    cache: Path, config: PretrainConfig
) -> None:
    with pytest.raises(ValueError, match=r"data.revision ''.*wants 'v2'"):
        read_cache(cache, "train", override(config, {"data.revision": "v2"}))


def test_cache__cut_off_file_is_named(cache: Path, config: PretrainConfig) -> None:
    cache.write_bytes(cache.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        read_cache(cache, "train", config)


@pytest.fixture
def sigmoid_teacher(tmp_path: Path) -> str:
    """An untrained CLIP with SigLIP's bias, of another width than the student's decoder."""
    folder = tmp_path / "siglip"
    folder.mkdir()
    for file in models.EMBEDDED_DIR.iterdir():
        if file.suffix in (".gz", ".json"):
            shutil.copy(file, folder)
    told = json.loads((folder / folder_models.CONFIG_NAME).read_text())
    told["model_cfg"] |= {"embed_dim": 48, "init_logit_bias": -10, "init_logit_scale": 2.3}
    (folder / folder_models.CONFIG_NAME).write_text(json.dumps(told))
    model = folder_models.untrained(folder)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"


def test_sigmoid_teacher__trains_through_a_projection_of_its_width(
    sigmoid_teacher: str, dataset_dir: Path, tmp_path: Path
) -> None:
    run = tmp_path / "RUN"
    words = ["pretrain", "cpu_smoke", "--data", str(dataset_dir), "--out", str(run)]
    assert main([*words, "--steps", "2", "--teacher.name", sigmoid_teacher]) == 0
    with safe_open(run / "last" / "model.safetensors", "pt") as file:
        assert file.get_slice("projection.weight").get_shape() == [48, 32]
    teacher = load_teacher(TeacherConfig(name=sigmoid_teacher), torch.device("cpu"))
    assert teacher.dim == 48 and teacher.logit_scale == pytest.approx(9.97, abs=0.05)


def test_dataset__split_that_is_not_there_lists_the_known(dataset_dir: Path) -> None:
    with pytest.raises(ValueError, match="it has train, val"):
        open_dataset(str(dataset_dir), "extra")
