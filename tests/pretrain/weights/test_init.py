"""Weights in and out: the authors' files, timm names, licences."""

import argparse
import dataclasses
import subprocess
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

from pretrain.config import recipes
from pretrain.config.overrides import override
from pretrain.config.settings import InitConfig
from pretrain.models.uniemox import build_model
from pretrain.weights import export, init

SIZES = recipes.cpu_smoke().model


def facts(license: str, weights_name: str = "mae.pth") -> dict[str, Any]:
    return {
        "config": {"init": {"weights": weights_name}},
        "licenses": {"init": license, "teacher": "MIT"},
        "teacher": {"name": "embedded"},
    }


def test_pth__under_model_with_module_and_namespace(tmp_path: Path) -> None:
    source = build_model(SIZES, teacher_dim=16, seed=3).mae.state_dict()
    wrapped = {f"module.{name}": value for name, value in source.items()}
    torch.save({"model": wrapped, "args": argparse.Namespace(lr=1.0)}, tmp_path / "a.pth")
    model = build_model(SIZES, teacher_dim=16, seed=0)
    init.start_from(model, InitConfig(weights=str(tmp_path / "a.pth")))
    for name, value in model.mae.state_dict().items():
        assert torch.equal(value, source[name]), name


@pytest.mark.parametrize("prefix", ["teacher.backbone.", "_orig_mod.", "student.", "model.module."])
def test_pth__under_other_wrappers(tmp_path: Path, prefix: str) -> None:
    source = build_model(SIZES, teacher_dim=16, seed=3).mae.state_dict()
    torch.save({"state_dict": {prefix + n: v for n, v in source.items()}}, tmp_path / "a.pth")
    model = build_model(SIZES, teacher_dim=16, seed=0)
    init.start_from(model, InitConfig(weights=str(tmp_path / "a.pth")))
    assert torch.equal(model.mae.state_dict()["cls_token"], source["cls_token"])


def test_pth__an_unknown_wrapper_is_named(tmp_path: Path) -> None:
    source = build_model(SIZES, teacher_dim=16, seed=3).mae.state_dict()
    torch.save({f"net.{n}": v for n, v in source.items()}, tmp_path / "a.pth")
    model = build_model(SIZES, teacher_dim=16, seed=0)
    with pytest.raises(ValueError, match=r"every name begins with 'net\.'"):
        init.start_from(model, InitConfig(weights=str(tmp_path / "a.pth")))


def test_pth__missing_and_extra_keys_are_listed(tmp_path: Path) -> None:
    source = dict(build_model(SIZES, teacher_dim=16, seed=3).mae.state_dict())
    del source["cls_token"]
    torch.save({**source, "stray": torch.zeros(1)}, tmp_path / "a.pth")
    model = build_model(SIZES, teacher_dim=16, seed=0)
    with pytest.raises(ValueError, match="missing: cls_token; unknown: stray"):
        init.start_from(model, InitConfig(weights=str(tmp_path / "a.pth")))


def test_pth__with_any_other_class_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {}, "run": subprocess.Popen}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="refused"):
        init.read_file(tmp_path / "a.pth")


def test_timm_line__makes_a_model_that_takes_the_weights() -> None:
    import timm

    own = build_model(SIZES, teacher_dim=16, seed=0).mae.state_dict()
    encoder = {n: v for n, v in own.items() if not n.startswith(("decoder_", "mask_token"))}
    model = eval(export.timm_line(SIZES), {"timm": timm})
    model.load_state_dict(encoder)


def test_timm_line__keeps_the_epsilon_of_the_norms() -> None:
    import functools

    import timm

    line = export.timm_line(dataclasses.replace(SIZES, norm_eps=1e-3))
    model = eval(line, {"timm": timm, "torch": torch, "functools": functools})
    assert model.norm.eps == model.blocks[0].norm1.eps == 1e-3


@pytest.mark.parametrize("content", ['{"con', "{}", "[]", '{"config": 1}'])
def test_export__a_damaged_config_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json: not the config of a RUN, or damaged"):
        export.read_facts(tmp_path)


def test_push__unknown_licence_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"of the initialisation mae\.pth"):
        export.check_licenses(facts("unknown"))
    export.check_licenses(facts("CC-BY-NC-4.0"))
    export.check_licenses(facts("", weights_name=""))


def test_siglip__without_cls_keeps_its_places_and_gets_a_fresh_token(tmp_path: Path) -> None:
    tower = VisionTransformer(
        img_size=SIZES.image_size, patch_size=SIZES.patch_size, embed_dim=SIZES.dim,
        depth=SIZES.depth, num_heads=SIZES.heads, class_token=False, global_pool="map",
        num_classes=0,
    )  # fmt: skip
    save_file(tower.state_dict(), tmp_path / "siglip.safetensors")
    model = build_model(SIZES, teacher_dim=16, seed=0)
    fresh = model.mae.cls_token.detach().clone()
    init.start_from(model, InitConfig(weights=str(tmp_path / "siglip.safetensors")))
    assert torch.equal(model.mae.pos_embed[:, 1:], tower.pos_embed)
    assert torch.equal(model.mae.cls_token, fresh) and not model.mae.pos_embed[:, 0].any()
    assert torch.equal(model.mae.blocks[1].mlp.fc1.weight, tower.blocks[1].mlp.fc1.weight)


@pytest.mark.parametrize("name", ["vit_pe_core_tiny_patch16_384", "vit_small_patch16_dinov3"])
def test_rotary__is_refused_before_anything_is_fetched(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = timm.create_model
    asked = []
    monkeypatch.setattr(
        timm, "create_model", lambda n, pretrained: asked.append(pretrained) or made(n)
    )
    with pytest.raises(ValueError, match="positions are rotary"):
        init.read(f"timm:{name}", rotary=False)
    assert asked == [False]


def test_pixels__of_another_spread_are_told(caplog: pytest.LogCaptureFixture) -> None:
    config = override(recipes.b16(), {"init.weights": "timm:vit_base_patch16_siglip_224.v2_webli"})
    init.check_pixels(config)
    assert "--views.mean 0.5,0.5,0.5" in caplog.text
    caplog.clear()
    init.check_pixels(override(config, {"views.mean": "0.5,0.5,0.5", "views.std": "0.5,0.5,0.5"}))
    init.check_pixels(recipes.b16())
    assert not caplog.text


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vit_base_patch16_siglip_224.v2_webli", {}),
        ("vit_base_patch16_clip_224.metaclip_2pt5b", {"model.pre_norm": "true"}),
    ],
)
def test_public_towers__fit_the_encoder_of_their_size(name: str, settings: dict[str, str]) -> None:
    """Names and shapes alone, on the meta device: no weights are there."""
    sizes = override(recipes.b16(), settings).model
    with torch.device("meta"):
        tower, model = timm.create_model(name), build_model(sizes, teacher_dim=512, seed=0).mae
    fitted = init.own_names(dict(tower.state_dict()), model)
    own = {n: v.shape for n, v in model.state_dict().items() if not n.startswith(init._DECODER)}
    heads = {n for n in fitted if n.startswith(init._HEADS)}
    assert {n: v.shape for n, v in fitted.items() if n not in heads} == own
