"""Encoders with rotary positions: timm's own numbers, hidden patches, weights in and out."""

import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from pretrain.config.settings import InitConfig, ModelConfig, PretrainConfig
from pretrain.models.uniemox import UniEmoX, build_model
from pretrain.show.images import attention_maps
from pretrain.weights import classifier, encoder, export, init

TOWERS = {  # small ones of three families: registers, absolute places as well, gated MLPs
    "vit_tiny_patch16_dinov3_qkvb": (16, 12, 3),
    "vit_pe_core_tiny_patch16_384": (16, 12, 3),
    "eva02_tiny_patch14_224": (14, 12, 3),
}


def sizes(name: str) -> ModelConfig:
    patch, depth, heads = TOWERS[name]
    return ModelConfig(
        encoder=f"timm:{name}", dim=192, depth=depth, heads=heads, patch_size=patch,
        image_size=4 * patch, decoder_dim=32, decoder_depth=1, decoder_heads=2,
    )  # fmt: skip


def model_of(name: str) -> UniEmoX:
    return build_model(sizes(name), teacher_dim=16, seed=0).eval()


def pixels(name: str) -> torch.Tensor:
    side = sizes(name).image_size
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", TOWERS)
@torch.inference_mode()
def test_encode__gives_timms_own_tokens(name: str) -> None:
    mae, images = model_of(name).mae, pixels(name)
    wanted = mae.tower.forward_features(images)
    found = mae.encode(images)
    assert found.shape == (2, 17, 192)
    assert torch.allclose(found[:, 0], wanted[:, 0], atol=1e-4)
    assert torch.allclose(found[:, 1:], wanted[:, mae.num_prefix_tokens :], atol=1e-4)


@pytest.mark.parametrize("name", TOWERS)
@torch.inference_mode()
def test_encode__a_patch_keeps_the_turn_of_its_place(name: str) -> None:
    mae, images = model_of(name).mae, pixels(name)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1)).expand(2, -1)
    all_seen, shuffled = mae.encode(images), mae.encode(images, order)
    assert torch.allclose(shuffled[:, 1:], all_seen[:, 1:][:, order[0]], atol=1e-4)
    few = mae.encode(images, order[:, :4])
    changed = images.clone()
    hidden = order[0, 4:]
    rows, columns = hidden // 4, hidden % 4
    patch = mae.patch_size
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        changed[:, :, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch] = 9.0
    assert torch.equal(mae.encode(changed, order[:, :4]), few)  # hidden patches are not seen
    moved = order[:, :4].roll(1, dims=1) * 0 + order[:, 4:8]
    assert not torch.allclose(mae.encode(images, moved), few, atol=1e-3)


def test_attention__is_a_share_for_each_patch_and_registers_have_theirs() -> None:
    name = "vit_tiny_patch16_dinov3_qkvb"
    maps = attention_maps(model_of(name), pixels(name))
    assert maps.shape == (2, 16) and bool((maps > 0).all()) and bool((maps.sum(dim=1) < 1).all())


@pytest.mark.parametrize("name", TOWERS)
def test_init__from_timms_weights_of_another_grid(name: str, tmp_path: Path) -> None:
    """As the published files are: a whole model under timm's names, larger pictures."""
    published = timm.create_model(name, img_size=8 * TOWERS[name][0])
    weights = published.state_dict()
    save_file({k: v.contiguous() for k, v in weights.items()}, tmp_path / "w.safetensors")
    model = model_of(name)
    init.start_from(model, InitConfig(weights=str(tmp_path / "w.safetensors")))
    for key in ("blocks.11.mlp.fc2.weight", "blocks.0.norm1.weight", "cls_token"):
        assert torch.equal(model.mae.state_dict()[f"tower.{key}"], weights[key])
    with pytest.raises(ValueError, match="does not fit the model"):
        vit = ModelConfig(dim=192, heads=3, image_size=64, decoder_dim=32, decoder_heads=2)
        init.start_from(build_model(vit, teacher_dim=16, seed=0),
                        InitConfig(weights=str(tmp_path / "w.safetensors")))  # fmt: skip


@torch.inference_mode()
def test_export__timms_line_takes_the_weights_and_sees_the_same(tmp_path: Path) -> None:
    name = "vit_pe_core_tiny_patch16_384"
    model, images = model_of(name), pixels(name)
    save_file(model.mae.encoder_state(), tmp_path / "t.safetensors")
    other = eval(export.timm_line(sizes(name)), {"timm": timm}).eval()
    other.load_state_dict(load_file(tmp_path / "t.safetensors"))
    assert torch.allclose(other.forward_features(images)[:, 0], model.mae.encode(images)[:, 0],
                          atol=1e-4)  # fmt: skip


def test_classifier__begins_with_the_runs_encoder() -> None:
    name = "vit_tiny_patch16_dinov3_qkvb"
    config = PretrainConfig(recipe="t", model=sizes(name), steps=1)
    network, kept = classifier._on_top(model_of(name), config, ["a", "b", "c"], 0, 0.1)
    assert kept.encoder == f"timm:{name}" and network(pixels(name)).shape == (2, 3)
    assert torch.equal(network.state_dict()["blocks.3.attn.qkv.weight"],
                       model_of(name).mae.tower.blocks[3].attn.qkv.weight)  # fmt: skip


def test_rates__every_block_of_the_tower_has_its_layer() -> None:
    model = model_of("vit_tiny_patch16_dinov3_qkvb")
    matcher = model.group_matcher()
    found = [re.match(matcher["blocks"], name) for name, _ in model.named_parameters()]
    assert {int(match[1]) for match in found if match} == set(range(12))
    assert re.match(matcher["stem"], "mae.tower.reg_token")
    assert {"mae.tower.cls_token", "mae.tower.reg_token"} <= model.no_weight_decay()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"encoder": "timm:vit_small_patch16_dinov3"},
            "give --model.patch_size 16 --model.dim 384",
        ),
        ({"encoder": "timm:vit_tiny_patch16_dinov"}, "nearest: vit_tiny_patch16_dinov3_qkvb"),
        ({"encoder": "timm:vit_base_patch16_224"}, "not an encoder with rotary positions"),
    ],
)
def test_encoder__that_does_not_fit_is_refused_in_words(
    settings: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build_model(ModelConfig(**settings), teacher_dim=16, seed=0)  # type: ignore[arg-type]


def test_settings__of_the_other_encoder_are_refused() -> None:
    with pytest.raises(ValueError, match="its own norms and activation"):
        ModelConfig(encoder="timm:vit_small_patch16_dinov3", pre_norm=True)
    with pytest.raises(ValueError, match="choose vit or timm:NAME"):
        ModelConfig(encoder="dinov3")


def test_features__of_a_checkpoint(tmp_path: Path) -> None:
    name = "vit_tiny_patch16_dinov3_qkvb"
    model = model_of(name)
    frozen = encoder.Encoder(model, PretrainConfig(recipe="t", model=sizes(name), steps=1), "x")
    image = np.zeros((80, 70, 3), np.uint8)
    assert frozen.features([image]).shape == (1, 384)
