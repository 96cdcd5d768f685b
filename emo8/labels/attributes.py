"""The `attributes` step: what the picture shows, by zero-shot over the vocabularies.

Scene, action and expression are the one best name, or nothing; objects are up to three. A changed
vocabulary reruns this step, which reads embeddings and decodes no picture.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from emo8.core.schema import PUBLISHED_DECIMALS
from emo8.engine.steps import Batch, Step
from emo8.labels.clip.domain import Domain
from emo8.labels.clip.recorded import Model
from emo8.labels.clip.vocabulary import Vocabulary
from emo8.labels.vectors import embeddings

MAX_OBJECTS = 3  # as in EmoSet
SINGLE = ("scene", "human_action", "facial_expression")
# What a model is good for, where that was measured: attribute -> least probability. The embedded
# one learned emoji and clip art. Of 96 of its picks judged by eye, scenes, objects and actions were
# wrong whatever it said ("kitchen" for a spaceship at 0.76), expressions right in 6 of 8 from 0.6.
TRUSTED: dict[str, dict[str, float]] = {"embedded": {"facial_expression": 0.6}}


@dataclass(frozen=True, kw_only=True)
class Attributes(Step):
    """Names and probabilities of what is in the picture; null where nothing is likely enough."""

    model: Model  # the first of the recipe
    vocabulary: Vocabulary
    classifiers: Path  # made by `emo8.classifiers`
    min_prob: float
    domain: Domain | None = None  # where the model is believed; None: everywhere
    name: str = field(default="attributes", init=False)
    version: ClassVar[int] = 3

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        return {self.model.table: ("embedding",)}

    @property
    def adds(self) -> pa.Schema:
        columns = []
        for attribute in SINGLE:
            columns += [(attribute, pa.string()), (f"{attribute}_prob", pa.float32())]
        columns += [("objects", pa.list_(pa.string())), ("objects_prob", pa.list_(pa.float32()))]
        return pa.schema(columns)

    def options(self) -> dict[str, Any]:
        return {
            "model": self.model.weights_sha256,
            "vocabulary_sha256": self.vocabulary.sha256,
            "min_prob": self.min_prob,
            "domain": None if self.domain is None else dataclasses.asdict(self.domain),
        }

    def setup(self) -> dict[str, np.ndarray]:
        with np.load(self.classifiers, allow_pickle=False) as file:
            return dict(file)

    def run(self, batch: Batch, state: dict[str, np.ndarray]) -> pa.Table:
        column = batch[self.model.table].column("embedding").combine_chunks()
        vectors = embeddings(column, self.model.dim)
        valid = column.is_valid().to_pylist()
        inside = np.ones(len(vectors), bool) if self.domain is None else self.domain.holds(vectors)
        found: dict[str, list[Any]] = {}
        for attribute in SINGLE:
            picked = self._picked(vectors, state, attribute, 1, inside)
            best = [rows[0] if rows else (None, None) for rows in picked]
            found[attribute] = [name if ok else None for (name, _), ok in zip(best, valid)]
            found[f"{attribute}_prob"] = [p if ok else None for (_, p), ok in zip(best, valid)]
        picked = self._picked(vectors, state, "object", MAX_OBJECTS, inside)
        names = [[name for name, _ in rows] for rows in picked]
        prob = [[p for _, p in rows] for rows in picked]
        found["objects"] = [value if ok else None for value, ok in zip(names, valid)]
        found["objects_prob"] = [value if ok else None for value, ok in zip(prob, valid)]
        return pa.table(found, schema=self.adds)

    def _picked(
        self,
        vectors: np.ndarray,
        state: dict[str, np.ndarray],
        attribute: str,
        most: int,
        inside: np.ndarray,
    ) -> list[list[tuple[str, float]]]:
        """Per row up to `most` (name, probability), the likeliest first."""
        from emo8.labels.clip.zeroshot import presence

        trusted = TRUSTED.get(self.model.name)
        if trusted is not None and attribute not in trusted:
            return [[] for _ in vectors]
        least = max(self.min_prob, (trusted or {}).get(attribute, 0.0))
        table = self.model.table
        prob = presence(
            vectors,
            state[f"{table}/attribute/{attribute}"],
            state[f"{table}/absent/{attribute}"],
            logit_scale=self.model.logit_scale,
            logit_bias=self.model.logit_bias,
        ).round(PUBLISHED_DECIMALS)
        names = list(self.vocabulary.prompts[attribute])
        order = np.argsort(-prob, axis=1, kind="stable")[:, :most]
        return [
            [(names[k], float(row[k])) for k in best if known and row[k] >= least]
            for row, best, known in zip(prob, order, inside, strict=True)
        ]
