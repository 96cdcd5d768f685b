"""A fine-tuned classifier on disk, and `uniemox predict`."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from emo8.core.taxonomy import EMOTIONS
from pretrain.cli import main
from pretrain.config.overrides import override
from pretrain.weights import classifier
from tests.conftest import encoded, picture


@pytest.fixture(scope="module")
def saved(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier with a random head on the smoke run's encoder."""
    path = tmp_path_factory.mktemp("classifier") / "model.safetensors"
    model, config = classifier.from_run(trained, EMOTIONS, seed=1)
    with torch.no_grad():
        torch.manual_seed(1)
        model.head.weight.normal_()
    classifier.save(path, model, config)
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "one.jpg"
    path.write_bytes(encoded(picture(3, (90, 60))))
    return path


def test_predict__is_a_distribution_over_the_emotions(saved: Path, image: Path) -> None:
    probs = classifier.predict(saved, [image])[0]
    assert tuple(probs) == EMOTIONS and sum(probs.values()) == pytest.approx(1, abs=1e-5)
    assert max(probs.values()) > 0.2  # not the same for all


def test_predict__temperature_softens(saved: Path, image: Path, tmp_path: Path) -> None:
    model, config = classifier.load(saved)
    classifier.save(tmp_path / "warm.safetensors", model, replace(config, temperature=4.0))
    sharp = classifier.predict(saved, [image])[0]
    soft = classifier.predict(tmp_path / "warm.safetensors", [image])[0]
    assert max(soft.values()) < max(sharp.values())
    assert sorted(soft, key=soft.__getitem__) == sorted(sharp, key=sharp.__getitem__)


def test_from_run__keeps_the_encoder(saved: Path, trained: Path) -> None:
    theirs = load_file(trained / "last" / "model.safetensors")
    own, _ = classifier.load(saved)
    name = "blocks.0.attn.qkv.weight"
    assert torch.equal(own.state_dict()[name], theirs[f"mae.{name}"])


def test_predict__command_prints_table_and_json(
    saved: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(saved), str(image), "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert line["image"] == str(image) and set(line["emotion_prob"]) == set(EMOTIONS)
    assert main(["predict", str(saved), str(image)]) == 0
    first = max(line["emotion_prob"], key=line["emotion_prob"].get)
    assert capsys.readouterr().out.split()[1] == first


def test_load__a_run_is_no_classifier(trained: Path, image: Path) -> None:
    with pytest.raises(ValueError, match="not a fine-tuned classifier"):
        classifier.predict(trained / "last" / "model.safetensors", [image])


def test_load__missing_and_extra_weights_are_listed(saved: Path, tmp_path: Path) -> None:
    from safetensors import safe_open

    with safe_open(saved, "pt") as file:
        header = file.metadata()
    weights = load_file(saved)
    del weights["head.bias"]
    save_file({**weights, "stray": torch.zeros(1)}, tmp_path / "bad.safetensors", header)
    with pytest.raises(ValueError, match=r"missing weights \['head.bias'\].*\['stray'\]"):
        classifier.load(tmp_path / "bad.safetensors")


def test_predict__picture_of_one_pixel_is_enough(saved: Path, tmp_path: Path) -> None:
    tiny = tmp_path / "tiny.png"
    tiny.write_bytes(encoded(picture(3, (1, 1)), "PNG"))
    assert sum(classifier.predict(saved, [tiny])[0].values()) == pytest.approx(1, abs=1e-5)


def test_from_recipe__keeps_pre_norm_and_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    from pretrain.config import recipes
    from pretrain.models.uniemox import build_model

    recipe = override(
        recipes.cpu_smoke(), {"model.pre_norm": "true", "model.activation": "quick_gelu"}
    )
    monkeypatch.setattr(recipes, "get", lambda name: recipe)
    network, config = classifier.from_recipe("cpu_smoke", EMOTIONS)
    theirs = build_model(recipe.model, teacher_dim=recipe.model.decoder_dim, seed=0).mae.eval()
    assert config.pre_norm and config.activation == "quick_gelu"
    pixels = torch.rand(2, 3, recipe.model.image_size, recipe.model.image_size)
    tokens = network.eval().forward_features(pixels)
    torch.testing.assert_close(theirs.norm(tokens), theirs.encode(pixels))


def test_predict__sees_the_middle_that_was_tested(saved: Path, tmp_path: Path) -> None:
    model, config = classifier.load(saved)
    near = replace(config, crop_pct=0.5)
    classifier.save(tmp_path / "near.safetensors", model, near)
    inner, framed = tmp_path / "inner.png", tmp_path / "framed.png"
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(framed)
    Image.fromarray(pixels[16:48, 16:48]).save(inner)
    (seen,) = classifier.predict(tmp_path / "near.safetensors", [framed])
    assert seen == classifier.predict(saved, [inner])[0]
