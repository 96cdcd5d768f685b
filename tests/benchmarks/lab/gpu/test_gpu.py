"""The GPU script, whole, with tiny sizes on a CPU."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.lab import learned
from benchmarks.lab.gpu import timing
from benchmarks.lab.gpu.__main__ import main
from pretrain.cli import main as uniemox
from tests.pretrain.conftest import dataset_dir, teacher_name  # noqa: F401


@pytest.fixture
def views(tmp_path: Path, dataset_dir: Path, teacher_name: str) -> Path:  # noqa: F811
    path = tmp_path / "views.safetensors"
    arguments = ["cache", str(dataset_dir), "--out", str(path), "--recipe", "cpu_smoke"]
    assert uniemox([*arguments, "--crops", "2", "--teacher.name", teacher_name]) == 0
    return path


def test_gpu__dry_run_does_every_part(views: Path, tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    arguments = ["--views", str(views), "--minutes", "0.02", "--dry-run", "--device", "cpu"]
    code = main([*arguments, "--out", str(out)])
    found = json.loads(out.read_text())
    assert code == 0, found
    assert found["resume"]["bit_for_bit"]
    assert found["precisions"]["bf16"] < 0.05
    assert set(found["variants"]) >= {"plain", "cached_teacher", "light_decoder_compiled"}
    assert {"untrained", "full", "mae", "distillation"} <= set(found["arms"])
    assert "explained" in found["arms"]["full"] and "recall" in found["arms"]["distillation"]
    assert out.with_suffix(".svg").read_text().count("<polyline") == 3


def test_gpu__a_part_that_fails_is_told_and_the_others_go_on(
    views: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("variants", "batches"):
        monkeypatch.setattr(timing, name, lambda *_, **__: {})
    out = tmp_path / "gpu.json"
    arguments = ["--views", str(views), "--minutes", "0.02", "--dry-run", "--device", "cpu"]
    missing = ["--vectors", str(tmp_path / "none.safetensors"), "--held-out", "nowhere"]
    assert main([*arguments, *missing, "--out", str(out)]) == 1
    found = json.loads(out.read_text())
    assert "error" in found["vectors"] and "no split" in found["arms"]["error"]
    assert found["resume"]["bit_for_bit"]


def test_explained__of_the_mean_is_nothing_and_of_the_teacher_all() -> None:
    teacher = torch.randn(20, 4)
    assert learned.explained(teacher.mean(dim=0).expand(20, 4), teacher) == pytest.approx(
        0, abs=1e-6
    )
    assert learned.explained(teacher, teacher) == 1.0


def test_recall__own_pictures_first() -> None:
    texts = torch.eye(4)
    assert learned.recall(texts, texts, torch.arange(4)) == {"1": 1.0, "5": 1.0}
    assert learned.recall(texts.roll(1, 0), texts, torch.arange(4))["1"] == 0.0
