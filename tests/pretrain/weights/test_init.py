"""Weights in and out: the authors' files, timm names, licences."""

import argparse
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from pretrain.config import recipes
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


def test_push__unknown_licence_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"of the initialisation mae\.pth"):
        export.check_licenses(facts("unknown"))
    export.check_licenses(facts("CC-BY-NC-4.0"))
    export.check_licenses(facts("", weights_name=""))
