"""Backbones of 2026 without their weights: what reaches them, against the libraries' own word."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from pretrain.models import timm_models

pytestmark = pytest.mark.nightly  # also with the newest libraries: make test-nightly

PICTURE = Image.fromarray(
    np.random.default_rng(0).integers(0, 256, (90, 150, 3), dtype=np.uint8)
).resize((500, 300), Image.Resampling.BICUBIC)
# timm's name, the same weights in open_clip, pixels per side
SAME_WEIGHTS = [
    ("vit_base_patch16_siglip_224.v2_webli", ("ViT-B-16-SigLIP2", "webli"), 224),
    ("vit_base_patch16_siglip_512.v2_webli", ("ViT-B-16-SigLIP2-512", "webli"), 512),
    ("vit_pe_core_tiny_patch16_384.fb", ("PE-Core-T-16-384", "meta"), 384),
    ("vit_base_patch16_clip_224.openai", ("ViT-B-16", "openai"), 224),
    ("vit_base_patch16_clip_quickgelu_224.metaclip_2pt5b",
     ("ViT-B-16-quickgelu", "metaclip_fullcc"), 224),
    ("vit_huge_patch14_clip_224.metaclip2_worldwide",
     ("ViT-H-14-worldwide-quickgelu", "metaclip2_worldwide"), 224),
]  # fmt: skip
# timm's name, pixels per side, features per picture
OTHERS = [
    ("vit_small_patch16_dinov3.lvd1689m", 256, 384),
    ("convnext_tiny.dinov3_lvd1689m", 224, 768),
    ("aimv2_large_patch14_224.apple_pt", 224, 1024),
    ("vit_base_patch16_siglip_224.v2_webli", 224, 768),
    ("vit_pe_core_tiny_patch16_384.fb", 384, 192),
]


@pytest.mark.parametrize(("name", "twin", "side"), SAME_WEIGHTS, ids=lambda v: str(v)[:40])
def test_preprocessing__the_pixels_that_open_clip_gives_the_same_weights(name, twin, side):
    import open_clip
    import timm.data
    from open_clip.transform import PreprocessCfg, image_transform_v2

    ours = timm.data.create_transform(**timm_models.preprocessing(name), is_training=False)
    known = open_clip.get_pretrained_cfg(*twin)
    keys = ("mean", "std", "interpolation", "resize_mode")
    cfg = PreprocessCfg(size=side, **{key: known[key] for key in keys})
    theirs = image_transform_v2(cfg, is_train=False)(PICTURE)
    assert torch.allclose(ours(PICTURE), theirs, atol=1e-3)


@pytest.mark.parametrize(("name", "side", "width"), OTHERS)
def test_models__one_pooled_feature_per_picture_at_their_own_size(name, side, width):
    import timm

    options = timm_models.preprocessing(name)
    assert options["input_size"] == (3, side, side)
    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False, num_classes=0).eval()
        found = model(torch.empty(1, 3, side, side))
    assert found.shape == (1, width)


def test_preprocessing__tuned_weights_and_others_keep_timms_own():
    import timm.data

    for name in ("vit_base_patch16_clip_224.openai_ft_in1k", "resnet18.a1_in1k"):
        cfg = timm.models.get_pretrained_cfg(name)
        own = timm.data.resolve_data_config(pretrained_cfg=cfg.to_dict())
        assert timm_models.preprocessing(name) == own


@pytest.mark.parametrize(
    ("name", "length"),
    [("ViT-B-16-SigLIP2", 64), ("PE-Core-T-16-384", 32), ("ViT-H-14-worldwide", 77)],
)
def test_open_clip__context_length_of_each_model(name, length):
    import open_clip

    assert open_clip.get_model_config(name)["text_cfg"].get("context_length", 77) == length
