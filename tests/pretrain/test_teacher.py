"""The frozen CLIP and its cached texts."""

from pathlib import Path

import pytest
import torch

from pretrain.config.settings import LossConfig, TeacherConfig
from pretrain.teacher import cached_text_features, check_features, check_losses, load_teacher
from pretrain.views.cut import normalise


@pytest.fixture(scope="module")
def teacher(teacher_name: str):  # type: ignore[no-untyped-def]
    return load_teacher(TeacherConfig(name=teacher_name), torch.device("cpu"))


def test_image_features__use_the_teachers_own_preprocessing(teacher) -> None:  # type: ignore[no-untyped-def]
    views = torch.randint(0, 256, (2, 3, 48, 48), dtype=torch.uint8)
    encoder = teacher._encoder
    pixels = normalise(views, encoder.mean, encoder.std, encoder.image_size)
    assert pixels.shape[-1] == encoder.image_size != 48
    with torch.no_grad():
        wanted = encoder.model.encode_image(pixels, normalize=True)
    torch.testing.assert_close(teacher.image_features(views), wanted, atol=1e-5, rtol=1e-4)


def test_image_features__agree_with_the_encoders_own_path(teacher) -> None:  # type: ignore[no-untyped-def]
    views = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    wanted = teacher._encoder.embed_images([view.permute(1, 2, 0).numpy() for view in views])
    found = teacher.image_features(views)
    torch.testing.assert_close(found, torch.from_numpy(wanted), atol=1e-4, rtol=1e-3)


def test_text_features__are_computed_once(
    teacher,  # type: ignore[no-untyped-def]
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = cached_text_features(teacher, ["a dog", "a cat"], tmp_path)
    monkeypatch.setattr(teacher, "text_features", lambda texts: 1 / 0)
    assert torch.equal(cached_text_features(teacher, ["a dog", "a cat"], tmp_path), first)
    with pytest.raises(ZeroDivisionError):
        cached_text_features(teacher, ["a cat", "a dog"], tmp_path)


def test_features__nan_is_refused_with_its_row() -> None:
    features = torch.zeros(4, 2)
    features[2, 1] = float("nan")
    with pytest.raises(ValueError, match=r"some\.file: 1 rows .* first at 2"):
        check_features(features, "some.file")


def test_use_precision__bf16_weights_give_what_autocast_gives(teacher_name: str) -> None:
    views = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    cast, stored = (
        load_teacher(TeacherConfig(name=teacher_name), torch.device("cpu")) for _ in range(2)
    )
    stored.use_precision("bf16")
    with torch.autocast("cpu", torch.bfloat16):
        wanted, found = cast.image_features(views), stored.image_features(views)
    assert torch.nn.functional.cosine_similarity(wanted, found).min() > 0.999
    texts = ["a picture", "two pictures"]
    assert torch.equal(cast.text_features(texts), stored.text_features(texts))


# timm's name, pixels per side, features per picture, mean of the first channel
TOWERS = [
    ("vit_small_patch16_dinov3.lvd1689m", 256, 384, 0.485),
    ("vit_base_patch16_siglip_224.v2_webli", 224, 768, 0.5),
    ("vit_pe_core_tiny_patch16_384.fb", 384, 192, 0.5),
    ("vit_base_patch32_clip_224.metaclip_2pt5b", 224, 768, 0.48145466),
]


@pytest.fixture
def one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """timm's models with one block and random weights: nothing is fetched."""
    import timm

    real = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda name, pretrained, **options: real(name, depth=1, **options)
    )


@pytest.mark.parametrize(("name", "side", "width", "mean"), TOWERS)
def test_timm__tower_sees_crops_as_its_own_config_says(
    one_block: None, name: str, side: int, width: int, mean: float
) -> None:
    teacher = load_teacher(TeacherConfig(name=f"timm:{name}"), torch.device("cpu"))
    views = torch.randint(0, 256, (2, 3, 48, 48), dtype=torch.uint8)
    found = teacher.image_features(views)
    assert found.shape == (2, width) and teacher.dim == width
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    prepared = teacher._prepared  # type: ignore[union-attr]
    assert prepared["input_size"] == (3, side, side) and prepared["mean"][0] == mean
    pixels = normalise(views, prepared["mean"], prepared["std"], side, prepared["interpolation"])
    with torch.no_grad():
        wanted = teacher._model(pixels)  # type: ignore[union-attr]
    torch.testing.assert_close(found, torch.nn.functional.normalize(wanted, dim=-1))


def test_timm__same_weights_have_one_hash_and_other_weights_another(one_block: None) -> None:
    hashes = set()
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        name = "timm:vit_pe_core_tiny_patch16_384.fb"
        hashes.add(load_teacher(TeacherConfig(name=name), torch.device("cpu")).sha256)
    assert len(hashes) == 2


def test_timm__l1_is_refused_for_it_knows_no_texts(one_block: None) -> None:
    name = "timm:vit_pe_core_tiny_patch16_384.fb"
    teacher = load_teacher(TeacherConfig(name=name), torch.device("cpu"))
    with pytest.raises(ValueError, match=r"knows no texts.*--loss.contrastive_on false"):
        check_losses(teacher, LossConfig())
    check_losses(teacher, LossConfig(contrastive_on=False))


def test_timm__trains_a_run(one_block: None, tmp_path: Path, smoke_args: list[str]) -> None:
    from pretrain.cli import main

    name = "timm:vit_pe_core_tiny_patch16_384.fb"
    words = [*smoke_args, "--steps", "2", "--teacher.name", name]
    assert main([*words, "--out", str(tmp_path / "L1")]) != 0
    words += ["--loss.contrastive_on", "false"]
    assert main([*words, "--out", str(tmp_path / "RUN")]) == 0
    assert (tmp_path / "RUN" / "last" / "model.safetensors").is_file()
