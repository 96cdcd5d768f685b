"""The frozen CLIP and its cached texts."""

from pathlib import Path

import pytest
import torch

from pretrain.config.settings import TeacherConfig
from pretrain.teacher import cached_text_features, check_features, load_teacher
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
