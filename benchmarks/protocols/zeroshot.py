"""Zero-shot: a model with a text side is asked in words; nothing is learnt.

Shapes: M test rows, K emotions, D embedding width.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.protocols.base import Prediction, Problem
from emo8.core.errors import ModelError

LEARNS = False
# For names outside the eight emotions, which the prompts file does not know.
PLAIN_PROMPTS = ("a picture that makes people feel {}", "a face that shows {}", "{}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    prompts: Path | None = None  # prompts file; None = the one emo8 ships


def predict(problem: Problem, settings: Settings) -> Prediction:
    """CLIP's distribution over the emotions for each test row."""
    from emo8.labels.clip import prompts, zeroshot

    encoder = problem.backbone.encoder
    if encoder is None:
        raise ModelError(
            f"zero_shot asks a model in words, and {problem.backbone.name} has no text side: "
            "use embedded or open_clip:NAME/TAG."
        )
    known = prompts.load_prompts(settings.prompts)
    words = dict(known.emotion)
    plain = [name for name in problem.emotions if name not in words]
    words |= {name: [p.format(name.replace("_", " ")) for p in PLAIN_PROMPTS] for name in plain}
    classifier = zeroshot.classifier(encoder, words, problem.emotions)
    vectors = problem.features[problem.test]
    if vectors.shape[1] == 2 * encoder.dim:  # scene and person side by side
        vectors = vectors[:, : encoder.dim] + vectors[:, encoder.dim :]
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    prob = zeroshot.probabilities(vectors, classifier, logit_scale=encoder.logit_scale)
    note = f"plain prompts for {', '.join(plain)}: the prompts file does not know them"
    return Prediction(
        prob=prob.astype("float64")[None],
        chosen={"prompts_sha256": known.sha256},
        notes=(note,) if plain else (),
    )
