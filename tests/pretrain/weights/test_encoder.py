"""Files of a checkpoint, and the encoder that is loaded from it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pretrain.config import recipes
from pretrain.models.uniemox import build_model
from pretrain.weights import encoder as checkpoint
from tests.conftest import picture


@pytest.fixture
def pictures() -> list[np.ndarray]:
    """Pictures of three sizes."""
    return [np.asarray(picture(k, size)) for k, size in enumerate([(90, 60), (32, 32), (40, 200)])]


def test_header__holds_config_and_neither_time_nor_path(trained: Path, tmp_path: Path) -> None:
    with safe_open(trained / "last" / checkpoint.MODEL, "pt") as file:
        metadata = file.metadata()
    assert list(metadata) == [checkpoint.HEADER]
    assert json.loads(metadata[checkpoint.HEADER])["recipe"] == "cpu_smoke"
    assert str(trained.parent) not in metadata[checkpoint.HEADER]


def test_weights__encoder_loads_into_timm(trained: Path) -> None:
    import timm

    weights = load_file(trained / "last" / checkpoint.MODEL)
    size = recipes.cpu_smoke().model
    vit = timm.models.vision_transformer.VisionTransformer(
        img_size=size.image_size,
        patch_size=size.patch_size,
        embed_dim=size.dim,
        depth=size.depth,
        num_heads=size.heads,
        num_classes=0,
    )
    encoder = {name.removeprefix("mae."): value for name, value in weights.items()}
    missing, _ = vit.load_state_dict(encoder, strict=False)
    assert not missing
    ours, _ = checkpoint.load_model(trained)
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(vit.eval().forward_features(images), ours.mae.encode(images))


def test_encoder__every_way_to_name_it_is_the_same(
    trained: Path, pictures: list[np.ndarray]
) -> None:
    whole = checkpoint.load_encoder(trained)
    features = whole.features(pictures)
    assert features.shape == (3, whole.dim) and features.dtype == np.float32
    for name in (trained / "last", str(trained / "last" / checkpoint.MODEL)):
        other = checkpoint.load_encoder(name)
        assert other.sha256 == whole.sha256
        assert np.array_equal(other.features(pictures), features)


def test_encoder__batches_do_not_matter(trained: Path, pictures: list[np.ndarray]) -> None:
    encoder = checkpoint.load_encoder(trained)
    single = encoder.features(pictures, batch_size=1)
    np.testing.assert_allclose(encoder.features(pictures), single, atol=1e-5)
    assert encoder.features([]).shape == (0, encoder.dim)


def test_random_encoder__is_what_a_run_starts_from(pictures: list[np.ndarray]) -> None:
    first, same, other = (checkpoint.random_encoder("cpu_smoke", seed) for seed in (0, 0, 1))
    assert first.sha256 == same.sha256 != other.sha256
    assert first.config.recipe == "cpu_smoke"
    start = build_model(recipes.cpu_smoke().model, teacher_dim=128, seed=0)
    untrained = checkpoint.Encoder(start, recipes.cpu_smoke(), "")
    assert np.array_equal(first.features(pictures), untrained.features(pictures))


def test_random_encoder__leaves_the_callers_random_state_alone() -> None:
    before = torch.get_rng_state()
    checkpoint.random_encoder("cpu_smoke", 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_load__missing_or_foreign_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no checkpoint there"):
        checkpoint.load_encoder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        checkpoint.load_encoder(tmp_path)
