"""The parts of the script that trains the embedded model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.lab.embedded_clip.augment import augment
from benchmarks.lab.embedded_clip.corpus import (
    DRAWN_PACKAGE,
    Corpus,
    with_drawn_faces,
    without_emotion,
)
from benchmarks.lab.embedded_clip.drawn_faces import portrait, portraits
from benchmarks.lab.embedded_clip.evaluate import wilson
from benchmarks.lab.embedded_clip.texts import TextMix, Texts, clip_loss
from benchmarks.lab.embedded_clip.train import Settings, _shares
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.labels.clip.prompts import load_prompts


def test_augment__gives_colours_of_the_asked_size_and_repeats() -> None:
    rng = torch.Generator().manual_seed(3)
    rgba = torch.randint(0, 256, (9, 72, 72, 4), generator=rng, dtype=torch.uint8)
    rgba[..., :3] = torch.minimum(rgba[..., :3], rgba[..., 3:])  # premultiplied
    first = augment(rgba, 48, torch.Generator().manual_seed(5))
    assert first.shape == (9, 3, 48, 48)
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, augment(rgba, 48, torch.Generator().manual_seed(5)))


def test_clip_loss__equals_a_slow_plain_version() -> None:
    torch.manual_seed(0)
    images, texts = torch.randn(4, 3), torch.randn(4, 3)
    truth = torch.eye(4, dtype=torch.bool)
    truth[0, 2] = truth[2, 0] = truth[3, 1] = True
    logits = 2.0 * images @ texts.T
    terms = []
    for k in range(4):
        for line, right in ((logits[k], truth[k]), (logits[:, k], truth[:, k])):
            terms.append(-(line - line.exp().sum().log())[right].mean())
    expected = torch.stack(terms).mean()
    torch.testing.assert_close(clip_loss(images, texts, truth, torch.tensor(2.0)), expected)


def _corpus() -> Corpus:
    return Corpus(
        pixels=np.zeros((4, 72, 72, 4), np.uint8),
        ids=list("abcd"),
        packages=["p"] * 4,
        licenses=["MIT"] * 4,
        names=["grinning face", "grinning face", "volcano", "shoe"],
        captions=["grinning face, flat emoji (X)"] * 2 + ["volcano", "shoe"],
        keywords=[["grin", "happy"], [], ["lava"], []],
        designs=np.array([0, 0, 1, 2]),
        emotions=np.array([0, 0, 2, -1]),
        styles=np.zeros(4, np.int64),
    )


def test_without_emotion__no_hint_and_no_word_that_mostly_stands_beside_one() -> None:
    told = replace(
        _corpus(),
        names=["grinning face", "crying face", "clock face", "shoe"],
        captions=["grinning face", "crying face", "clock face", "Shoe"],
        keywords=[["grin", "face-smiling"], ["tear"], ["hour", "face"], []],
        emotions=np.array([0, 7, -1, -1]),
    )
    left = without_emotion(replace(told, captions=[*told.captions[:3], "a face on a shoe, face"]))
    assert left.emotions.tolist() == [-1] * 4
    assert left.names[:2] == ["face", "face"] and left.names[3] == "shoe"
    assert left.captions == ["face", "face", "clock face", "a face on a shoe, face"]
    assert left.keywords == [[], [], ["hour", "face"], []]
    assert left.designs[0] == left.designs[1] != left.designs[2]
    only = without_emotion(replace(told, names=["grin"] * 2 + told.names[2:]))
    assert only.names[0] == "picture"


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_texts__truth_follows_designs_and_emotions(share: float) -> None:
    texts = Texts(_corpus(), load_prompts(), TextMix(emotion=share, style=0.0))
    drawn, truth = texts.draw(np.arange(4), np.random.default_rng(0))
    expected = np.eye(4, dtype=bool)
    expected[0, 1] = expected[1, 0] = True
    np.testing.assert_array_equal(truth, expected)
    assert drawn[3] == "shoe"
    if share == 1.0:
        assert drawn[2] in load_prompts().emotion["awe"]


def test_texts__one_each_follows_the_taxonomy() -> None:
    prompts = load_prompts()
    texts = Texts(_corpus(), prompts, TextMix()).one_each(np.random.default_rng(0))
    assert all(text in prompts.emotion[name] for text, name in zip(texts, EMOTIONS, strict=False))
    assert len(texts) == 13


def test_wilson__agrees_with_a_known_interval() -> None:
    # 8 of 10, as tabulated for the score interval: 0.490 to 0.943.
    assert wilson(8, 10) == pytest.approx((0.490, 0.943), abs=1e-3)


def test_portraits__every_emotion_in_order_and_the_same_for_the_same_seed() -> None:
    pictures, emotions = portraits(16, 48, seed=3)
    assert emotions.tolist() == [*range(8), *range(8)]
    for one, other in zip(pictures, portraits(16, 48, seed=3)[0], strict=True):
        assert one.size == (48, 48)
        assert one.tobytes() == other.tobytes()
    assert len({p.tobytes() for p in pictures}) == 16


def test_portrait__every_feature_of_every_emotion_can_be_drawn() -> None:
    rng = np.random.default_rng(0)
    for name in EMOTIONS:
        for _ in range(30):
            assert portrait(name, 24, rng).getchannel("A").getbbox() is not None


def test_with_drawn_faces__are_hinted_cartoons_behind_the_corpus() -> None:
    plain = _corpus()
    more = with_drawn_faces(plain, 8)
    assert len(more) == 12
    assert more.ids[:4] == plain.ids
    assert more.packages[4:] == [DRAWN_PACKAGE] * 8
    assert more.emotions[4:].tolist() == list(range(8))
    assert more.designs[4:].min() > plain.designs.max()
    assert more.pixels.shape == (12, 72, 72, 4)
    assert with_drawn_faces(plain, 0) is plain


def test_shares__drawn_portraits_have_theirs_and_rare_styles_more() -> None:
    corpus = with_drawn_faces(_corpus(), 8)
    corpus.styles[3] = STYLES.index("natural")
    share = _shares(corpus, Settings(drawn_share=0.25, hinted_weight=2.0, rare_style_weight=3.0))
    assert share.sum() == pytest.approx(1)
    assert share[4:].sum() == pytest.approx(0.25)
    np.testing.assert_allclose(share[:4] / share[0], [1, 1, 1, 1.5])
    assert _shares(_corpus(), Settings()).tolist() == pytest.approx([5 / 16] * 3 + [1 / 16])
