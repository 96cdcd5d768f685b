"""Zero-shot distributions: similarity of a picture to the prompts of each name.

Shapes: N pictures, K names, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np


class TextEncoder(Protocol):
    """What makes unit vectors of texts: a model, or what is kept of it."""

    def embed_texts(self, texts: Iterable[str], /) -> np.ndarray: ...


def classifier(
    encoder: TextEncoder, prompts: Mapping[str, Sequence[str]], names: Sequence[str]
) -> np.ndarray:
    """One unit vector per name (K, D) float32: the mean of its prompts' unit vectors.

    The same numbers as open_clip's build_zero_shot_classifier, which wants every name to fill the
    same templates; here each name brings its own list of prompts.
    """
    missing = [name for name in names if not prompts.get(name)]
    if missing:
        raise ValueError(f"no prompts for {', '.join(missing)}; add them to the prompts file.")
    texts = [text for name in names for text in prompts[name]]
    vectors = encoder.embed_texts(texts)
    ends = np.cumsum([len(prompts[name]) for name in names])
    parts = np.split(vectors, ends[:-1])
    means = np.stack([part.mean(axis=0) for part in parts])
    unit: np.ndarray = means / np.linalg.norm(means, axis=1, keepdims=True)
    return unit.astype(np.float32)


def probabilities(
    embeddings: np.ndarray, classifier: np.ndarray, *, logit_scale: float
) -> np.ndarray:
    """Softmax over the names, (N, K) float32, of unit vectors (N, D) against (K, D).

    For names of which exactly one holds. A sigmoid model (SigLIP) is used the same way: its bias
    is the same for every name and cancels in the softmax.
    """
    logits = logit_scale * embeddings.astype(np.float64) @ classifier.astype(np.float64).T
    logits -= logits.max(axis=1, keepdims=True)
    exponent = np.exp(logits)
    prob: np.ndarray = exponent / exponent.sum(axis=1, keepdims=True)
    return prob.astype(np.float32)


def presence(
    embeddings: np.ndarray,
    classifier: np.ndarray,
    absent: np.ndarray,
    *,
    logit_scale: float,
    logit_bias: float | None,
) -> np.ndarray:
    """How likely each name is in the picture, (N, K) float32; the rest is: none of them.

    For names of which several or none may hold. A sigmoid model (SigLIP, with `logit_bias`)
    answers for each name by itself. A softmax model cannot: there the names compete with each
    other and with the texts that say that they are all absent, `absent` (A, D).
    """
    sims = logit_scale * embeddings.astype(np.float64) @ classifier.astype(np.float64).T
    if logit_bias is not None:
        prob = 1 / (1 + np.exp(-np.clip(sims + logit_bias, -60, 60)))
        return np.asarray(prob, np.float32)
    everything = np.concatenate([classifier, absent])
    prob = probabilities(embeddings, everything, logit_scale=logit_scale)
    return np.asarray(prob[:, : len(classifier)])
