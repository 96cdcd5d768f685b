"""Zero-shot classifiers of a build: the text vectors of its models for its prompts, in one file.

A worker makes them: the build's own process then never loads a model for it. Only texts that are
new to the build are embedded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emo8.core.taxonomy import POLARITIES
from emo8.engine.files import appearing, fingerprint
from emo8.labels.clip.prompts import PromptSet
from emo8.labels.clip.recorded import Model
from emo8.labels.clip.text_vectors import TextVectors
from emo8.labels.clip.vocabulary import Vocabulary
from emo8.labels.clip.zeroshot import TextEncoder, classifier

VERSION = 4


def path_of(
    build: Path, models: tuple[Model, ...], prompts: PromptSet, vocabulary: Vocabulary
) -> Path:
    """Where a build keeps the classifiers of these models and words."""
    shas = [model.weights_sha256 for model in models]
    key = fingerprint(VERSION, shas, prompts.sha256, vocabulary.sha256)[:16]
    return build / "tables" / f"classifiers-{key}.npz"


@dataclass(frozen=True, kw_only=True)
class ClassifierTask:
    """Embed all prompts with every model: one unit of work for an engine."""

    build: Path
    models: tuple[Model, ...]
    prompts: PromptSet
    vocabulary: Vocabulary
    table: str = "prompts"
    part: int = 0
    fingerprint: str = ""

    @property
    def path(self) -> Path:
        return path_of(self.build, self.models, self.prompts, self.vocabulary)

    def setup(self) -> None:
        return None

    def run(self, state: None) -> int:
        """Write the file; the number of texts that had to be embedded comes back."""
        arrays: dict[str, np.ndarray] = {}
        num_new = 0
        for number, model in enumerate(self.models):
            encoder = TextVectors(self.build, model.name, model.weights_sha256)
            found = _prompt_vectors(encoder, self.prompts)
            if number == 0:  # attributes are the first model's alone
                found |= _vocabulary_vectors(encoder, self.vocabulary)
            arrays |= {f"{model.table}/{what}": vectors for what, vectors in found.items()}
            encoder.save()
            num_new += encoder.num_new
        with appearing(self.path) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        return num_new


def _prompt_vectors(encoder: TextEncoder, prompts: PromptSet) -> dict[str, np.ndarray]:
    found = {
        "emotion": classifier(encoder, prompts.emotion, tuple(prompts.emotion)),
        "style": classifier(encoder, prompts.style, tuple(prompts.style)),
        "polarity": classifier(encoder, prompts.polarity, POLARITIES),
        "safety": classifier(encoder, prompts.safety, tuple(prompts.safety)),
    }
    for style, own in prompts.emotion_in.items():
        both = {name: [*prompts.emotion[name], *own[name]] for name in tuple(prompts.emotion)}
        found[f"emotion/{style}"] = classifier(encoder, both, tuple(prompts.emotion))
    return found


def _vocabulary_vectors(encoder: TextEncoder, vocabulary: Vocabulary) -> dict[str, np.ndarray]:
    """Per attribute the vectors of its names, and those of the texts that say it is absent."""
    found = {}
    for attribute, prompts in vocabulary.prompts.items():
        found[f"attribute/{attribute}"] = classifier(encoder, prompts, list(prompts))
        found[f"absent/{attribute}"] = encoder.embed_texts(vocabulary.absent[attribute])
    return found
