"""Which templates and words name emotions best, measured on labelled pictures.

Shapes: N pictures, K = 8 emotions, D embedding width, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emo8.core import label_set
from emo8.labels.clip.prompts import fill

if TYPE_CHECKING:
    from emo8.labels.clip.encoder import Encoder
    from emo8.labels.clip.prompts import PromptSet

RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class Score:
    """One measured choice of words. Intervals are 95% percentiles of a bootstrap over pictures."""

    kind: str  # "all", "template" or "word"
    text: str
    emotion: str  # whose word it is; "" otherwise
    metric: str  # "macro_f1", or "f1" of the word's emotion
    value: float
    low: float
    high: float
    accuracy: float
    gain_over_all: float  # value less that of the whole set
    gain_low: float  # interval of the gain, on the same resamples
    gain_high: float


def score_prompts(
    encoder: Encoder, prompts: PromptSet, vectors: np.ndarray, truth: np.ndarray, *, seed: int = 0
) -> list[Score]:
    """The whole set first, then each template and each word, best first.

    A template is scored alone, with all its words. A word is scored in the whole set, as the only
    word of its emotion, by that emotion's F1.
    """
    embed = _embedder(encoder)
    weights = resamples(len(truth), seed=seed)
    classes = np.stack([embed(prompts.emotion[name]) for name in label_set.emotions()])
    guesses = (vectors @ classes.T).argmax(axis=1)
    whole = _f1(guesses, truth, weights)
    present = np.unique(truth)
    found = [_score("all", "every template and word", "", guesses, truth, whole, whole, present)]
    templates = []
    for template in prompts.emotion_templates:
        if not all(_fills(template, prompts.emotion_words[name]) for name in label_set.emotions()):
            continue  # a name that stands for itself has no adjective
        own = np.stack(
            [
                embed(fill([template], prompts.emotion_words[name], name, "the template"))
                for name in label_set.emotions()
            ]
        )
        said = (vectors @ own.T).argmax(axis=1)
        f1 = _f1(said, truth, weights)
        templates.append(_score("template", template, "", said, truth, f1, whole, present))
    words = []
    for k in present:
        name = label_set.emotions()[k]
        for slot, texts in prompts.emotion_words[name].items():
            asking = [t for t in prompts.emotion_templates if f"{{{slot}}}" in t]
            for word in texts if asking else ():
                own = classes.copy()
                own[k] = embed([template.replace(f"{{{slot}}}", word) for template in asking])
                said = (vectors @ own.T).argmax(axis=1)
                f1 = _f1(said, truth, weights)
                words.append(_score("word", word, name, said, truth, f1, whole, np.array([k])))
    best_first = [sorted(group, key=lambda score: -score.value) for group in (templates, words)]
    return [*found, *best_first[0], *best_first[1]]


def _fills(template: str, words: Mapping[str, Sequence[str]]) -> bool:
    return any(f"{{{slot}}}" in template for slot in words)


def resamples(n: int, *, num: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """How often each of `n` rows is drawn, (1 + R, n); the first line is the rows themselves."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=num)
    return np.concatenate([np.ones((1, n), drawn.dtype), drawn])


def _embedder(encoder: Encoder) -> Callable[[Sequence[str]], np.ndarray]:
    """A function from prompts to the unit mean (D,) of their vectors; no text is embedded twice."""
    known: dict[str, np.ndarray] = {}

    def embed(texts: Sequence[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, encoder.embed_texts(new), strict=True))
        mean = np.mean([known[text] for text in texts], axis=0)
        return np.asarray(mean / np.linalg.norm(mean))

    return embed


def _f1(guesses: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """F1 (1 + R, K) of each emotion on each line of `weights`; 0 where it is never met."""
    num = len(label_set.emotions())
    cells = np.eye(num * num)[truth * num + guesses]
    table = (weights @ cells).reshape(len(weights), num, num)
    right = np.einsum("rkk->rk", table)
    both = table.sum(axis=1) + table.sum(axis=2)
    return np.where(both > 0, 2 * right / np.maximum(both, 1), 0.0)


def _score(
    kind: str,
    text: str,
    emotion: str,
    guesses: np.ndarray,
    truth: np.ndarray,
    f1: np.ndarray,
    whole: np.ndarray,
    over: np.ndarray,
) -> Score:
    """A Score from F1 values, averaged over the emotions `over`."""
    values = f1[:, over].mean(axis=1)
    gains = values - whole[:, over].mean(axis=1)
    low, high = np.percentile(values[1:], (2.5, 97.5))
    gain_low, gain_high = np.percentile(gains[1:], (2.5, 97.5))
    return Score(
        kind=kind,
        text=text,
        emotion=emotion,
        metric="f1" if emotion else "macro_f1",
        value=round(float(values[0]), 4),
        low=round(float(low), 4),
        high=round(float(high), 4),
        accuracy=round(float((guesses == truth).mean()), 4),
        gain_over_all=round(float(gains[0]), 4),
        gain_low=round(float(gain_low), 4),
        gain_high=round(float(gain_high), 4),
    )


def emotion_counts(truth: np.ndarray) -> Mapping[str, int]:
    """Pictures per emotion that occurs."""
    counts = np.bincount(truth, minlength=len(label_set.emotions()))
    return {name: int(n) for name, n in zip(label_set.emotions(), counts) if n}
