"""Which public weights were trained with QuickGELU, by whatever name they are called."""

import logging
from dataclasses import replace

import pytest
import timm

from pretrain.config import recipes
from pretrain.config.settings import InitConfig
from pretrain.models import activations
from pretrain.weights import init

pytestmark = pytest.mark.nightly  # also with the newest libraries: make test-nightly


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("timm:vit_base_patch16_clip_224.openai", "quick_gelu"),
        ("timm:vit_base_patch16_clip_quickgelu_224.openai", "quick_gelu"),
        ("timm:vit_base_patch16_clip_224.dfn2b", "quick_gelu"),  # of which timm knows no twin
        ("timm:vit_huge_patch14_clip_378.dfn5b", "quick_gelu"),
        ("timm:vit_base_patch32_clip_224.laion400m_e32", "quick_gelu"),
        ("timm:vit_base_patch16_clip_224.laion400m_e32", "gelu"),
        ("timm:vit_base_patch16_clip_224.openai_ft_in1k", "gelu"),  # tuned with GELU
        ("timm:vit_large_patch14_clip_224.dfn2b_s39b", "gelu"),
        ("timm:resnet50_clip.openai", "gelu"),  # its blocks have ReLU
        ("timm:vit_base_patch16_224.mae", "gelu"),
        ("timm:vit_base_patch16_clip_224", "gelu"),  # timm's default for the name: laion2b, tuned
        ("open_clip:ViT-B-16/openai", "quick_gelu"),
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", "gelu"),
        ("mae.pth", None),
    ],
)
def test_of__public_weights(weights: str, expected: str | None) -> None:
    assert activations.of(weights) == expected


def test_of_timm__every_quickgelu_model_and_its_plain_twin() -> None:
    twins = timm.list_models("*quickgelu*", pretrained=True)
    assert len(twins) >= 17
    for name in twins:
        assert activations.of_timm(name) == "quick_gelu"
        assert activations.of_timm(name.replace("quickgelu_", "")) == "quick_gelu"


def test_check_activation__says_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    config = replace(recipes.cpu_smoke(), init=InitConfig(weights="open_clip:ViT-B-16/openai"))
    init.check_activation(config)
    assert "--model.activation quick_gelu" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        init.check_activation(
            replace(config, init=InitConfig(weights="timm:vit_base_patch16_224.mae"))
        )
    assert not caplog.text
