"""Zero-shot classifiers and distributions."""

from __future__ import annotations

import numpy as np
import pytest
from open_clip import build_zero_shot_classifier
from PIL import Image, ImageDraw

from emo8.core.taxonomy import EMOTIONS
from emo8.labels.clip.encoder import Encoder, load
from emo8.labels.clip.prompts import load_prompts
from emo8.labels.clip.zeroshot import classifier, presence, probabilities


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load("embedded")


def test_classifier__agrees_with_open_clip(encoder: Encoder) -> None:
    nouns, templates = ["awe", "fear", "anger"], ["a picture of {}", "{} in a drawing"]
    prompts = {noun: [template.format(noun) for template in templates] for noun in nouns}
    theirs = build_zero_shot_classifier(encoder.model, encoder.tokenizer, nouns, templates)
    np.testing.assert_allclose(classifier(encoder, prompts, nouns), theirs.T.numpy(), atol=1e-5)


def test_classifier__rows_follow_the_names(encoder: Encoder) -> None:
    prompts = load_prompts().emotion
    weights = classifier(encoder, prompts, EMOTIONS)
    assert weights.shape == (8, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(weights, axis=1), 1, atol=1e-5)
    turned = classifier(encoder, prompts, EMOTIONS[::-1])
    np.testing.assert_allclose(turned, weights[::-1], atol=1e-5)


def test_classifier__name_without_prompts_is_an_error(encoder: Encoder) -> None:
    with pytest.raises(ValueError, match="no prompts for envy"):
        classifier(encoder, {"awe": ["awe"]}, ["awe", "envy"])


def test_probabilities__is_a_softmax_at_the_models_temperature() -> None:
    rng = np.random.default_rng(0)
    pictures, names = rng.normal(size=(5, 4)), rng.normal(size=(3, 4))
    found = probabilities(pictures, names, logit_scale=7.0)
    slow = np.exp(7 * pictures @ names.T)
    np.testing.assert_allclose(found, slow / slow.sum(1, keepdims=True), rtol=1e-5)


def test_probabilities__large_scale_does_not_overflow() -> None:
    found = probabilities(np.eye(2), np.eye(2), logit_scale=1e6)
    np.testing.assert_array_equal(found, np.eye(2, dtype=np.float32))


def test_presence__softmax_names_compete_with_their_absence() -> None:
    rng = np.random.default_rng(0)
    pictures, names, absent = (rng.normal(size=(n, 6)) for n in (5, 3, 2))
    found = presence(pictures, names, absent, logit_scale=3.0, logit_bias=None)
    slow = np.exp(3 * pictures @ np.concatenate([names, absent]).T)
    np.testing.assert_allclose(found, (slow / slow.sum(1, keepdims=True))[:, :3], rtol=1e-5)
    assert (found.sum(axis=1) < 1).all()


def test_presence__a_sigmoid_model_answers_for_each_name_by_itself() -> None:
    rng = np.random.default_rng(1)
    pictures, names = rng.normal(size=(5, 4)), rng.normal(size=(3, 4))
    found = presence(pictures, names, names[:0], logit_scale=2.0, logit_bias=-1.5)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-(2 * pictures @ names.T - 1.5))), rtol=1e-5)
    alone = presence(pictures, names[:1], names[:0], logit_scale=2.0, logit_bias=-1.5)
    np.testing.assert_allclose(found[:, :1], alone)


def _face(mouth: str, *, tears: bool = False, brows: bool = False) -> Image.Image:
    """A drawn face of our own: eyes, a mouth that goes up or down, perhaps tears or brows."""
    picture = Image.new("RGB", (128, 128), "white")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((4, 4, 124, 124), fill=(229, 64, 40) if brows else (255, 205, 60))
    for x in (42, 86):
        draw.ellipse((x - 8, 46, x + 8, 64), fill=(70, 45, 20))
        if tears:
            draw.rounded_rectangle((x - 9, 62, x + 9, 118), 8, fill=(90, 170, 250))
    if brows:
        draw.line((24, 34, 54, 48), fill=(60, 20, 20), width=7)
        draw.line((104, 34, 74, 48), fill=(60, 20, 20), width=7)
    if mouth == "up":
        draw.chord((28, 50, 100, 110), 0, 180, fill=(110, 40, 30))
    else:
        draw.arc((40, 82, 88, 118), 180, 360, fill=(70, 45, 20), width=7)
    return picture


def test_embedded_model__reads_faces_it_has_never_seen(encoder: Encoder) -> None:
    faces = {
        "amusement": _face("up"),
        "anger": _face("down", brows=True),
        "sadness": _face("down", tears=True),
    }
    weights = classifier(encoder, load_prompts().emotion, EMOTIONS)
    vectors = encoder.embed_images(faces.values())
    prob = probabilities(vectors, weights, logit_scale=encoder.logit_scale)
    guesses = [EMOTIONS[k] for k in prob.argmax(axis=1)]
    assert sum(a == b for a, b in zip(guesses, faces, strict=True)) >= 2, guesses
