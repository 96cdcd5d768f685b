"""Detectors of people: who is known, weights and their checksums, plug-ins, and a real network."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emo8.core.errors import ModelError
from emo8.measure import detectors
from emo8.measure.detectors import MODELS, ResolvedDetector, TorchvisionDetector, resolve
from tests.conftest import picture

MODEL = "ssdlite320_mobilenet_v3_large"


def _box(x0: float, y0: float, x1: float, y1: float, score: float = 1.0) -> dict[str, float]:
    return {"x0": x0, "y0": y0, "x1": x1, "y1": y1, "score": score}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of an untrained detector that sees people everywhere, named by its hash."""
    import torch
    from torchvision.models import get_model

    torch.manual_seed(0)
    model = get_model(MODEL, weights=None, weights_backbone=None)
    with torch.no_grad():
        for layer in model.head.classification_head.module_list:
            layer[1].bias.view(-1, 91)[:, 1] = 5.0  # everything is a person
    folder = tmp_path_factory.mktemp("weights")
    torch.save(model.state_dict(), folder / "plain.pth")
    digest = hashlib.sha256((folder / "plain.pth").read_bytes()).hexdigest()
    return (folder / "plain.pth").rename(folder / f"own-{digest[:8]}.pth")


def test_resolve__own_weights_are_checked_loaded_and_run_in_a_batch(weights: Path) -> None:
    found = resolve(f"torchvision:{MODEL}@{weights.name}", weights.parent)
    assert found.name == f"torchvision:{MODEL}"  # no path in what rows say
    assert found.weights == weights.name
    detector = found.load()
    assert detector is not None
    images = [np.asarray(picture(1)), np.asarray(picture(2, (90, 200))), np.asarray(picture(3))]
    together = detector.find(images)
    assert [len(boxes) for boxes in together] == [len(detector.find([i])[0]) for i in images]
    for boxes in together:
        assert boxes
        for box in boxes:
            assert 0 <= box["x0"] <= box["x1"] <= 1.0001
            assert 0 <= box["y0"] <= box["y1"] <= 1.0001


def test_resolve__a_wrong_checksum_is_refused(weights: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "own-00000000.pth"
    wrong.write_bytes(weights.read_bytes())
    with pytest.raises(ModelError, match=r"damaged or another one.*its name says 00000000"):
        resolve(f"torchvision:{MODEL}@{wrong.name}", tmp_path)
    (tmp_path / "own.pth").write_bytes(weights.read_bytes())
    with pytest.raises(ModelError, match=r"must end in -HASH\.pth"):
        resolve(f"torchvision:{MODEL}@own.pth", tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        resolve(f"torchvision:{MODEL}@none-00000000.pth", tmp_path)


def test_resolve__a_damaged_download_is_refused_and_never_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from torchvision.models import get_model_weights

    name = get_model_weights(MODEL).DEFAULT.url.rsplit("/", 1)[-1]
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"half a download")
    with pytest.raises(ModelError, match="damaged or another one"):
        resolve(f"torchvision:{MODEL}")


def test_load__weights_of_another_model_are_named(weights: Path) -> None:
    other = f"torchvision:ssd300_vgg16@{weights.name}"
    with pytest.raises(ModelError, match="does not fit ssd300_vgg16"):
        resolve(other, weights.parent).load()


PLUGIN = """
class Everyone:
    version = "7"

    def find(self, images):
        return [[dict(x0=0.0, y0=0.0, x1=1.0, y1=1.0, score=1.0)] for _ in images]


def broken():
    raise OSError("no camera")
"""
POINTS = "[emo8.detectors]\neveryone = plug:Everyone\nbroken = plug:broken\nbare = plug:object\n"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that registers detectors."""
    (tmp_path / "plug.py").write_text(PLUGIN + "\nobject = object\n")
    info = tmp_path / "plug-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("plugin")
def test_resolve__a_plugin_runs_and_its_version_is_recorded() -> None:
    found = resolve("plugin:everyone")
    assert found == ResolvedDetector(name="plugin:everyone", weights="7")
    detector = found.load()
    assert detector is not None
    assert detector.find([np.zeros((4, 4, 3), np.uint8)]) == [[_box(0, 0, 1, 1)]]


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("everybody", "registered: bare, broken, everyone"),
        ("broken", "does not start.*no camera"),
        ("bare", "has no `version`"),
    ],
)
def test_resolve__a_plugin_that_does_not_work_is_named(name: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        resolve(f"plugin:{name}")


def test_detectors__naming_them_needs_no_torch() -> None:
    code = "import sys, emo8.measure.detectors; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_resolve__offline_it_gives_the_cause_and_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError("no network here")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(detectors.socket, "getaddrinfo", refuse)
    found = resolve("torchvision:fasterrcnn_mobilenet_v3_large_320_fpn")
    assert found.weights == ""
    assert "no network here" in found.cause
    assert resolve("off").cause == "turned off in the recipe"


def test_resolve__unknown_detector_names_the_nearest() -> None:
    with pytest.raises(ModelError, match="did you mean 'torchvision:ssd300_vgg16'"):
        resolve("torchvision:ssd300_vgg")


def test_models__are_those_of_torchvision() -> None:
    from torchvision.models import detection, list_models

    assert set(MODELS) == {n for n in list_models(module=detection) if "keypoint" not in n}


def test_torchvision_detector__boxes_are_fractions_of_the_picture() -> None:
    import torch

    class Answers(torch.nn.Module):
        def forward(self, batch: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
            return [
                {
                    "boxes": torch.tensor([[16.0, 12.0, 80.0, 60.0], [0.0, 0.0, 5.0, 5.0]]),
                    "labels": torch.tensor([1, 18]),
                    "scores": torch.tensor([0.9, 0.8]),
                }
                for _ in batch
            ]

    detector = TorchvisionDetector(Answers(), lambda tensor: tensor / 255, "cpu")
    found = detector.find([np.asarray(picture(1))])
    assert len(found[0]) == 1  # the dog is no person
    assert found[0][0] == pytest.approx(_box(0.1, 0.1, 0.5, 0.5, 0.9))
