"""What the small CLIP is told about each picture, and which pictures a text is true of.

Shapes: B pictures and texts of one batch, D embedding width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from benchmarks.lab.embedded_clip.corpus import Corpus
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.labels.clip.prompts import PromptSet


@dataclass(frozen=True, kw_only=True)
class TextMix:
    """How often which kind of text is drawn; the rest are the picture's own words."""

    emotion: float = 0.5  # chance that a picture with an emotion hint gets an emotion prompt
    style: float = 0.05  # chance that any picture gets a style prompt


class Texts:
    """Draws one text per picture and says which pictures each text is true of."""

    def __init__(self, corpus: Corpus, prompts: PromptSet, mix: TextMix) -> None:
        self.corpus, self.mix = corpus, mix
        self.emotion = [prompts.emotion[name] for name in EMOTIONS]
        self.style = [prompts.style[name] for name in STYLES]

    def draw(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
        """B texts for the pictures `rows` (B,), and truth (B, B): picture i, text j."""
        corpus = self.corpus
        emotions, styles, designs = corpus.emotions[rows], corpus.styles[rows], corpus.designs[rows]
        truth = designs[:, None] == designs[None, :]
        texts = []
        for j, row in enumerate(rows):
            kind = rng.random()
            if emotions[j] >= 0 and kind < self.mix.emotion:
                texts.append(str(rng.choice(self.emotion[emotions[j]])))
                truth[:, j] = emotions == emotions[j]
            elif kind > 1 - self.mix.style:
                texts.append(str(rng.choice(self.style[styles[j]])))
                truth[:, j] = styles == styles[j]
            else:
                texts.append(self._own_words(int(row), rng))
        return texts, truth

    def _own_words(self, row: int, rng: np.random.Generator) -> str:
        words = self.corpus.keywords[row]
        kind = rng.random()
        if kind < 0.3 and words:
            count = min(len(words), int(rng.integers(2, 6)))
            return ", ".join(rng.choice(words, count, replace=False).tolist())
        return self.corpus.captions[row] if kind < 0.5 else self.corpus.names[row]

    def one_each(self, rng: np.random.Generator) -> list[str]:
        """One random prompt of each emotion, then of each style."""
        return [str(rng.choice(group)) for group in (*self.emotion, *self.style)]


def clip_loss(
    images: torch.Tensor, texts: torch.Tensor, truth: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Mean of both directions' cross-entropy where several partners may be right.

    `images` and `texts` are unit vectors (B, D), `truth` (B, B) says which pairs belong together.
    """
    logits = scale * images @ texts.T
    target = truth.float()
    rows = -(target / target.sum(1, keepdim=True) * functional.log_softmax(logits, 1)).sum(1)
    columns = -(target / target.sum(0, keepdim=True) * functional.log_softmax(logits, 0)).sum(0)
    return (rows.mean() + columns.mean()) / 2
