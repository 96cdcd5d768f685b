"""A model with a sigmoid and a bias, SigLIP's kind, small and untrained, through our code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emo8.labels.attributes import Attributes
from emo8.labels.classifiers import ClassifierTask
from emo8.labels.clip.encoder import Encoder, load
from emo8.labels.clip.models import EMBEDDED_DIR
from emo8.labels.clip.prompts import load_prompts
from emo8.labels.clip.recorded import Model, resolve
from emo8.labels.clip.vocabulary import load_vocabulary
from emo8.labels.clip.zeroshot import presence
from emo8.labels.clip_steps import Label
from tests.conftest import picture

BIAS = -8.0


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a local model like the embedded one, with a logit bias."""
    import torch
    from open_clip import create_model
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("siglip")
    config = json.loads((EMBEDDED_DIR / "open_clip_config.json").read_text())
    config["model_cfg"] |= {"init_logit_bias": BIAS, "init_logit_scale": float(np.log(10))}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    name = config["model_cfg"]["text_cfg"]["tokenizer_kwargs"]["bpe_path"]
    (folder / name).write_bytes((EMBEDDED_DIR / name).read_bytes())
    torch.manual_seed(0)
    model = create_model(f"local-dir:{folder}", load_weights=False)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"


@pytest.fixture(scope="module")
def encoder(siglip: str) -> Encoder:
    return load(siglip)


@pytest.fixture(scope="module")
def model(siglip: str) -> Model:
    return resolve(siglip, "fp32")


def test_load__bias_and_scale_of_a_sigmoid_model_are_known(encoder: Encoder, model: Model) -> None:
    assert encoder.logit_bias == pytest.approx(BIAS)
    assert model.logit_bias == pytest.approx(BIAS)
    assert model.logit_scale == pytest.approx(10, rel=1e-3)


def test_presence__is_the_sigmoid_of_scale_times_cosine_plus_bias(encoder: Encoder) -> None:
    vectors = encoder.embed_images([picture(k) for k in range(3)])
    texts = encoder.embed_texts(["a dog", "a house"])
    found = presence(
        vectors, texts, texts[:1], logit_scale=encoder.logit_scale, logit_bias=encoder.logit_bias
    )
    expected = 1 / (1 + np.exp(-(encoder.logit_scale * vectors @ texts.T + BIAS)))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.max() < 0.9  # nothing needs to be there: the names do not share a whole


def test_steps__an_ensemble_of_both_kinds_labels_and_describes(
    tmp_path: Path, model: Model
) -> None:
    import pyarrow as pa

    models = (model, resolve("embedded", "fp32"))
    prompts, vocabulary = load_prompts(), load_vocabulary()
    task = ClassifierTask(build=tmp_path, models=models, prompts=prompts, vocabulary=vocabulary)
    task.run(task.setup())
    label = Label(
        models=models, prompts_sha256=prompts.sha256, style_prompts=False, classifiers=task.path
    )
    pictures = [picture(k) for k in range(4)]
    batch = {"rows": pa.table({"style_source": pa.nulls(4, pa.string())})}
    for each in models:
        vectors = load(each.name).embed_images(pictures).astype(np.float16)
        column = pa.array(list(vectors), pa.list_(pa.float16(), each.dim))
        batch[each.table] = pa.table({"embedding": column})
    rows = label.run(batch, label.setup()).to_pylist()
    for row in rows:
        assert sum(row["emotion_raw_prob"]) == pytest.approx(1, abs=1e-3)
        assert row["emotion_agreement"] in (0, 0.5, 1)
    attributes = Attributes(model=model, vocabulary=vocabulary, classifiers=task.path, min_prob=0.0)
    for row in attributes.run(batch, attributes.setup()).to_pylist():
        assert 0 < row["scene_prob"] < 1
        assert row["scene"] in vocabulary.prompts["scene"]
