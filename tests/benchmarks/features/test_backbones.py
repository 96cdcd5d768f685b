from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.features import backbones
from emo8.core.errors import ModelError
from pretrain.models import timm_models

PICTURES = [
    np.random.default_rng(i).integers(0, 256, (40 + i, 50, 3), dtype=np.uint8) for i in range(3)
]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("embeded", "Did you mean 'embedded'"),
        ("tim:resnet18", "Did you mean 'timm'"),
        ("pixels:0", "pixels:SIDE"),
        ("pixels:", "no known form"),
        ("random:", "no known form"),
        ("/not/there", "not a folder and no known form"),
    ],
)
def test_check__unknown_form_says_what_there_is(name, message):
    with pytest.raises(ModelError, match=message):
        backbones.check(name)


def test_check__folder_that_is_no_run(tmp_path):
    with pytest.raises(ModelError, match="not a RUN"):
        backbones.check(str(tmp_path))


def test_pixels__are_the_pixels():
    backbone = backbones.load("pixels:16")
    found = backbone.features(PICTURES)
    assert found.shape == (3, 768)
    assert found.dtype == np.float32
    same = backbones.load("pixels:40").features([PICTURES[0][:, :40]])
    assert np.allclose(same[0], PICTURES[0][:, :40].ravel() / 255)


def test_random__follows_the_seed_and_says_which_recipes_there_are():
    first, again, other = (backbones.load("random:cpu_smoke", seed) for seed in (0, 0, 1))
    assert first.sha256 == again.sha256 != other.sha256
    found = first.features(PICTURES)
    assert np.array_equal(found, again.features(PICTURES))
    assert found.shape[0] == 3
    with pytest.raises(ModelError, match=r"cpu_smok2.*cpu_smoke"):
        backbones.load("random:cpu_smok2")


def test_run__loads_what_a_pretraining_saved(tmp_path):
    from safetensors.torch import save_file

    from pretrain.config import recipes
    from pretrain.config.settings import as_dict
    from pretrain.models.uniemox import build_model
    from pretrain.weights import encoder

    config = recipes.get("cpu_smoke")
    model = build_model(config.model, teacher_dim=8, seed=3)
    header = {encoder.HEADER: json.dumps(as_dict(config))}
    (tmp_path / "last").mkdir()
    save_file(model.state_dict(), tmp_path / "last" / "model.safetensors", header)
    found = backbones.load(str(tmp_path)).features(PICTURES)
    assert np.isfinite(found).all()
    weights = tmp_path / "last" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        backbones.load(str(tmp_path))


def test_run__of_another_size_than_its_config_says(tmp_path):
    from safetensors.torch import save_file

    from pretrain.config import recipes
    from pretrain.config.settings import as_dict
    from pretrain.models.uniemox import build_model
    from pretrain.weights import encoder

    small, large = recipes.get("cpu_smoke"), recipes.get("cpu_demo")
    header = {encoder.HEADER: json.dumps(as_dict(large))}
    (tmp_path / "last").mkdir()
    weights = build_model(small.model, teacher_dim=8, seed=0).state_dict()
    save_file(weights, tmp_path / "last" / "model.safetensors", header)
    with pytest.raises(ModelError, match=r"of another size.*\(1, 1, 32\) in place of") as caught:
        backbones.load(str(tmp_path))
    assert len(str(caught.value)) < 500


def test_timm__gives_pooled_features(monkeypatch):
    import timm

    real = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda name, pretrained, **options: real(name, **options)
    )
    backbone = backbones.load("timm:resnet10t")
    assert backbone.features(PICTURES).shape == (3, 512)


def test_timm__clip_weights_keep_their_activation(monkeypatch):
    import timm

    real = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda name, pretrained, **options: real(name, depth=1, **options)
    )
    model = timm_models.create("vit_base_patch32_clip_224.openai", num_classes=0)
    assert "QuickGELU" in type(model.blocks[0].mlp.act).__name__
    plain = timm_models.create("vit_base_patch32_clip_224.laion2b", num_classes=0)
    assert type(plain.blocks[0].mlp.act).__name__ == "GELU"


def test_timm__unknown_name_gives_the_nearest():
    with pytest.raises(ModelError, match=r"nearest: .*resnet50"):
        backbones.load("timm:resnet5O")


def test_timm__weights_out_of_reach_say_so(monkeypatch):
    import timm

    def offline(*_, **__):
        raise OSError("offline")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(ModelError, match=r"could not be had \(OSError: offline\)"):
        backbones.load("timm:resnet18")
