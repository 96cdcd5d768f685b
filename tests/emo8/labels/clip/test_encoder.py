"""The encoder wrapper, on the embedded model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageDraw

from emo8.core.errors import ModelError
from emo8.labels.clip.encoder import Encoder, best_precision, load
from emo8.labels.clip.folder_models import CONFIG_NAME
from emo8.labels.clip.models import EMBEDDED_DIR
from tests.conftest import picture as drawn


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("embedded")


def _pictures() -> list[Image.Image]:
    pictures = []
    for k in range(5):
        picture = Image.new("RGB", (60 + 20 * k, 90), (250 - 40 * k, 200, 40 * k))
        ImageDraw.Draw(picture).ellipse((10, 10, 50, 60 + k), fill=(20 * k, 30, 90))
        pictures.append(picture)
    return pictures


def test_load__embedded_says_what_it_is(encoder: Encoder) -> None:
    assert (encoder.name, encoder.dim, encoder.image_size) == ("embedded", 128, 64)
    assert encoder.context_length == 32
    assert 1 < encoder.logit_scale <= 100.001
    assert encoder.logit_bias is None
    assert encoder.license == "Apache-2.0"
    (weights,) = EMBEDDED_DIR.glob("*.safetensors")
    assert encoder.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_load__model_is_frozen(encoder: Encoder) -> None:
    assert not encoder.model.training
    assert not any(parameter.requires_grad for parameter in encoder.model.parameters())


def test_load__folder_is_small() -> None:
    size_bytes = sum(path.stat().st_size for path in EMBEDDED_DIR.iterdir())
    assert size_bytes <= 14_000_000


def test_embed__vectors_have_unit_length_and_repeat(encoder: Encoder) -> None:
    for embed, items in (
        (encoder.embed_images, _pictures()),
        (encoder.embed_texts, ["awe", "a sad face", ""]),
    ):
        found = embed(items)
        assert found.shape == (len(items), encoder.dim)
        assert found.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        np.testing.assert_array_equal(found, embed(items))
        np.testing.assert_allclose(found, embed(items, batch_size=2), atol=1e-5)


def test_embed__nothing_gives_no_rows(encoder: Encoder) -> None:
    assert encoder.embed_images([]).shape == (0, encoder.dim)
    assert encoder.embed_texts([]).shape == (0, encoder.dim)


def test_embed_texts__too_long_is_cut(encoder: Encoder) -> None:
    long = "a very long description of a quiet lake " * 100
    assert encoder.embed_texts([long]).shape == (1, encoder.dim)


def test_embed_images__arrays_and_pictures_agree(encoder: Encoder) -> None:
    pictures = _pictures()
    arrays = [np.asarray(picture) for picture in pictures]
    np.testing.assert_array_equal(encoder.embed_images(pictures), encoder.embed_images(arrays))


def test_preprocess__uses_the_models_own_mean_and_std(encoder: Encoder) -> None:
    white = encoder.preprocess(np.full((40, 70, 3), 255, np.uint8))
    assert white.shape == (3, 64, 64)
    expected = (1 - np.array(encoder.mean)) / np.array(encoder.std)
    np.testing.assert_allclose(white.amax((1, 2)).numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(white.amin((1, 2)).numpy(), expected, atol=1e-6)


def test_preprocess__transparent_parts_become_white(encoder: Encoder) -> None:
    clear = Image.new("RGBA", (30, 30), (0, 0, 0, 0))
    white = Image.new("RGB", (30, 30), "white")
    assert encoder.preprocess(clear).equal(encoder.preprocess(white))


def test_load__works_from_any_folder(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(EMBEDDED_DIR, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    texts = ["a calm lake", "an angry face"]
    for name in ("embedded", "local-dir:model", f"local-dir:{tmp_path / 'model'}"):
        np.testing.assert_array_equal(load(name).embed_texts(texts), encoder.embed_texts(texts))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_load__half_precision_stays_close(encoder: Encoder, precision: str) -> None:
    half = load("embedded", precision=precision)
    both = half.embed_images(_pictures()) * encoder.embed_images(_pictures())
    assert both.sum(axis=1).min() > 0.99


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("embeded", "embedded"),
        ("ViT-B-16/opnai", "ViT-B-16/openai"),
        ("open_clip:ViT-B16/openai", "ViT-B-16/openai"),
        ("local-dir:/no/such/folder", "open_clip_config.json"),
    ],
)
def test_load__unknown_name_gives_the_nearest(name: str, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        load(name)
    assert repr(name) in str(caught.value)
    assert said in str(caught.value)


def test_load__unknown_precision_lists_the_known() -> None:
    with pytest.raises(ModelError, match="fp32, bf16, fp16"):
        load("embedded", precision="fp23")


def test_load__offline_names_cause_and_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import open_clip

    def refuse(*_: object, **__: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr(open_clip, "download_pretrained", refuse)
    with pytest.raises(ModelError) as caught:
        load("ViT-B-16/openai")
    for part in ("'ViT-B-16/openai'", "network is unreachable", '"embedded"'):
        assert part in str(caught.value)


def test_load__foreign_config_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    shutil.copytree(EMBEDDED_DIR, tmp_path / "model")
    config = tmp_path / "model" / "open_clip_config.json"
    wrong = json.loads(config.read_text())
    wrong["model_cfg"]["embed_dim"] = 64
    config.write_text(json.dumps(wrong))
    with pytest.raises(ModelError, match="does not load"):
        load(f"local-dir:{tmp_path / 'model'}")
    config.write_text("{}")
    with pytest.raises(ModelError, match="describes no model with a text tower"):
        load(f"local-dir:{tmp_path / 'model'}")


def test_card__plain_open_clip_loads_the_folder_as_it_says(encoder: Encoder) -> None:
    import open_clip

    path = f"local-dir:{EMBEDDED_DIR}"
    model, preprocess = open_clip.create_model_from_pretrained(path)
    tokenizer = open_clip.get_tokenizer(path, bpe_path=str(EMBEDDED_DIR / "bpe_8192.txt.gz"))
    picture, texts = _pictures()[0], ["an angry face"]
    assert preprocess(picture).equal(encoder.preprocess(picture))
    assert tokenizer(texts).equal(encoder.tokenizer(texts))
    assert model.encode_text(tokenizer(texts)).shape == (1, encoder.dim)


def test_load__a_model_without_a_text_tower_is_refused(tmp_path: Path) -> None:
    config = json.loads((EMBEDDED_DIR / CONFIG_NAME).read_text())
    del config["model_cfg"]["text_cfg"]
    (tmp_path / CONFIG_NAME).write_text(json.dumps(config))
    (tmp_path / "open_clip_model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="with a text tower"):
        load(f"local-dir:{tmp_path}")


def test_embed__step_in_bf16_is_close_to_fp32_and_another_step(sample_pictures: list[Path]) -> None:
    from emo8.labels import clip_steps
    from emo8.labels.clip import recorded

    model = recorded.resolve("embedded", "fp32")
    files = [path.read_bytes() for path in sample_pictures if path.suffix == ".webp"][:3]
    rows = pa.table({"image": [{"bytes": data, "path": None} for data in [files[0], *files]]})
    batch = {"rows": rows, "measure": pa.table({"decode_reason": pa.nulls(4, pa.string())})}
    found = []
    for precision in ("fp32", "bf16"):
        own = dataclasses.replace(model, precision=precision)
        step = clip_steps.Embed(model=own, max_pixels=10**8)
        found.append(np.array(step.run(batch, step.setup())["embedding"].to_pylist(), np.float32))
    assert step.options() != clip_steps.Embed(model=model, max_pixels=10**8).options()
    cosine = (found[0] * found[1]).sum(1)
    assert (cosine > 0.999).all() and (found[0] != found[1]).any()
    assert (found[0][0] == found[0][1]).all()


def test_embed__no_vector_depends_on_its_company(encoder: Encoder) -> None:
    """Filled batches have one shape: a vector may be kept for its picture or text."""
    from emo8.labels.clip_steps import BATCH_IMAGES

    size = BATCH_IMAGES["cpu"]
    ready = [encoder.preprocess(drawn(number)) for number in range(size + 5)]
    whole = encoder.embed_preprocessed(ready, batch_size=size, filled=True)
    assert whole.shape == (size + 5, encoder.dim)
    places = [size + 4, 3, 9]
    some = encoder.embed_preprocessed([ready[n] for n in places], batch_size=size, filled=True)
    np.testing.assert_array_equal(some, whole[places])
    texts = [f"picture number {number}" for number in range(20)]
    every = encoder.embed_texts(texts, batch_size=16, filled=True)
    np.testing.assert_array_equal(
        encoder.embed_texts(texts[7:9], batch_size=16, filled=True), every[7:9]
    )


def test_best_precision__embedded_stays_in_fp32() -> None:
    assert best_precision("embedded") == "fp32"
    assert best_precision("ViT-B-32/openai") in ("fp32", "bf16")
