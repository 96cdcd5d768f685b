"""A small published dataset and an untrained teacher, shared by the pretraining tests."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from emo8.core.schema import PUBLISHED, published_features
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.labels.clip import folder_models, models
from tests.conftest import encoded, picture

SPLITS = {"train": 24, "val": 6, "test": 4}
BROKEN_ROW = 5  # of the training split
CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
  - split: val
    path: data/val-*.parquet
  - split: test
    path: data/test-*.parquet
---
"""


def published_row(seed: int) -> dict[str, Any]:
    """One row as `emo8 build` publishes it; every third has a person."""
    data = encoded(picture(seed, (90, 60)))
    box = {"x0": 0.2, "y0": 0.1, "x1": 0.7, "y1": 0.9, "score": 1.0}
    row: dict[str, Any] = dict.fromkeys(PUBLISHED)
    row |= {
        "id": hashlib.sha256(data).hexdigest(),
        "image": {"bytes": data, "path": None},
        "emotion": seed % len(EMOTIONS),
        "emotion_prob": [0.125] * 8,
        "emotion_rule": "clip",
        "style": seed % len(STYLES),
        "style_prob": [0.2] * 5,
        "caption": f"blobs {seed}",
        "description": f"A picture of blobs number {seed}." if seed % 4 else None,
        "people": [box] if seed % 3 == 0 else [],
        "width": 90,
        "height": 60,
        "also_from": [],
    }
    return row


def write_dataset(folder: Path, *, broken: bool) -> Path:
    """A dataset folder with card and three splits, perhaps with one broken picture."""
    import datasets

    (folder / "data").mkdir(parents=True)
    seed = 0
    for name, count in SPLITS.items():
        rows = [published_row(seed + k) for k in range(count)]
        seed += count
        if broken and name == "train":
            rows[BROKEN_ROW]["image"] = {"bytes": b"\xff\xd8 broken", "path": None}
        made = datasets.Dataset.from_list(rows, features=published_features())
        made.to_parquet(folder / "data" / f"{name}-00000-of-00001.parquet")
    (folder / "README.md").write_text(CARD)
    return folder


@pytest.fixture(scope="session")
def dataset_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published dataset without broken pictures."""
    return write_dataset(tmp_path_factory.mktemp("published") / "dataset", broken=False)


@pytest.fixture(scope="session")
def teacher_name(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained CLIP of the embedded one's shape: targets need not be clever in tests."""
    folder = tmp_path_factory.mktemp("clip")
    for file in models.EMBEDDED_DIR.iterdir():
        if file.suffix != ".safetensors":
            shutil.copy(file, folder)
    torch.manual_seed(0)
    model = folder_models.untrained(folder)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"


@pytest.fixture
def smoke_args(dataset_dir: Path, teacher_name: str) -> list[str]:
    """`uniemox pretrain cpu_smoke` on that dataset and teacher, `--out` to be added."""
    return [
        "pretrain",
        "cpu_smoke",
        "--data",
        str(dataset_dir),
        "--teacher.name",
        teacher_name,
    ]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, dataset_dir: Path, teacher_name: str) -> Path:
    """A finished cpu_smoke RUN; do not change it."""
    from pretrain.cli import main

    run = tmp_path_factory.mktemp("trained") / "RUN"
    arguments = ["pretrain", "cpu_smoke", "--data", str(dataset_dir), "--out", str(run)]
    assert main([*arguments, "--teacher.name", teacher_name]) == 0
    return run
