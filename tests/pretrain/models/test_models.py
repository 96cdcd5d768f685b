"""Shapes, masks and starts of the networks that conformance cannot see."""

import dataclasses

import pytest
import torch

from pretrain.config import recipes
from pretrain.config.settings import ModelConfig
from pretrain.models.fusion import build_fusion
from pretrain.models.uniemox import UniEmoX, build_model
from pretrain.models.vit import mask_by_noise, sincos_positions, use_plain_attention

SIZES = recipes.cpu_smoke().model


def forward(model: UniEmoX, config: ModelConfig, rows: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    side, patches = config.image_size, config.num_patches
    views = torch.randn(2, rows, 3, side, side, generator=generator)
    noise = torch.rand(2, rows, patches, generator=generator)
    output = model(views[0], views[1], noise[0], noise[1])
    assert output.pred.shape == (rows, patches, 3 * config.patch_size**2)
    student: torch.Tensor = output.student
    return student


def test_mask__keeps_the_least_noise_in_ascending_order() -> None:
    noise = torch.tensor([[0.9, 0.1, 0.5, 0.3]])
    masking = mask_by_noise(noise, 0.5)
    assert masking.keep.tolist() == [[1, 3]]
    assert masking.mask.tolist() == [[1.0, 0.0, 1.0, 0.0]]
    assert masking.restore.tolist() == [[3, 0, 2, 1]]


@pytest.mark.parametrize("teacher_dim", [SIZES.decoder_dim, 20])
def test_student__has_the_teachers_width(teacher_dim: int) -> None:
    model = build_model(SIZES, teacher_dim=teacher_dim, seed=0)
    assert forward(model, SIZES).shape == (2, teacher_dim)
    has_projection = any(name.startswith("projection") for name in model.state_dict())
    assert has_projection == (teacher_dim != SIZES.decoder_dim)


def test_views__of_other_mask_ratios_are_encoded_apart() -> None:
    config = dataclasses.replace(SIZES, person_mask_ratio=0.5)
    assert forward(build_model(config, teacher_dim=32, seed=0), config).shape == (2, 32)


def test_views__in_one_call_equal_two_calls() -> None:
    model = build_model(SIZES, teacher_dim=32, seed=0).eval()
    views, noise = torch.randn(2, 2, 3, 32, 32), torch.rand(2, 2, 16)
    scene, person = model.encode_views(views[0], views[1], noise[0], noise[1])
    for view, images, draws in ((scene, views[0], noise[0]), (person, views[1], noise[1])):
        alone = model.mae.encode(images, mask_by_noise(draws, 0.75).keep)
        torch.testing.assert_close(view.latent, alone)


def test_build__depends_on_the_seed_alone() -> None:
    first, same, other = (
        build_model(SIZES, teacher_dim=dim, seed=seed) for dim, seed in ((32, 0), (20, 0), (32, 1))
    )
    for name, value in first.mae.state_dict().items():
        assert torch.equal(value, same.mae.state_dict()[name]), name
    assert not torch.equal(first.mae.cls_token, other.mae.cls_token)


def test_positions__are_fixed_and_zero_for_cls() -> None:
    positions = sincos_positions(8, 3)
    assert positions.shape == (1, 10, 8)
    assert positions[0, 0].abs().sum() == 0
    assert len({tuple(row) for row in positions[0].tolist()}) == 10


def test_plain_attention__gives_the_same_numbers() -> None:
    model = build_model(SIZES, teacher_dim=32, seed=0).eval()
    fused = forward(model, SIZES)
    use_plain_attention(model)
    torch.testing.assert_close(forward(model, SIZES), fused, atol=1e-5, rtol=1e-4)


def test_fusion__unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="layernorm_sum, weighted_sum, softmax_gate, mlp_glu"):
        build_fusion("sum", dim=8, heads=2)


@pytest.mark.parametrize("size", ["ti", "s", "b", "l", "h"])
def test_sizes__are_valid(size: str) -> None:
    patch = 14 if size == "h" else 16
    assert ModelConfig(**recipes.vit(size), patch_size=patch).dim >= 192
