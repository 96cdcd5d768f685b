"""CLIP scores that `safety_checks` act on: how unsafe a picture is, how well its caption fits.

Both read the embeddings of the first model. What counts as unsafe is a list of prompts
(`[safety.NAME]` in the prompts file), so another notion of safety is another prompts file.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from emo8.core.schema import PUBLISHED_DECIMALS
from emo8.engine.steps import ROWS, Batch, Step
from emo8.labels.clip.recorded import Model
from emo8.labels.clip.text_vectors import BATCH
from emo8.labels.vectors import embeddings

if TYPE_CHECKING:
    from emo8.labels.clip.encoder import Encoder


@dataclass(frozen=True, kw_only=True)
class Safety(Step):
    """One minus CLIP's probability that the picture is of the kind called "safe"."""

    model: Model
    prompts_sha256: str
    classifiers: Path  # made by `emo8.classifiers`; the first row of "safety" is "safe"
    name: str = field(default="safety", init=False)
    version: ClassVar[int] = 1

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        return {self.model.table: ("embedding",)}

    @property
    def adds(self) -> pa.Schema:
        return pa.schema([("unsafe_prob", pa.float32())])

    def options(self) -> dict[str, Any]:
        return {"weights_sha256": self.model.weights_sha256, "prompts_sha256": self.prompts_sha256}

    def setup(self) -> np.ndarray:
        with np.load(self.classifiers, allow_pickle=False) as file:
            return np.asarray(file[f"{self.model.table}/safety"])

    def run(self, batch: Batch, state: np.ndarray) -> pa.Table:
        from emo8.labels.clip.zeroshot import probabilities

        column = batch[self.model.table].column("embedding").combine_chunks()
        vectors = embeddings(column, self.model.dim)
        unsafe = 1 - probabilities(vectors, state, logit_scale=self.model.logit_scale)[:, 0]
        return _scores(unsafe, column.is_valid(), self.adds)


@dataclass(frozen=True, kw_only=True)
class CaptionAgreement(Step):
    """Cosine of picture and caption, CLIPScore without its scale; null without a caption.

    Source: Hessel et al. (2021), "CLIPScore: A Reference-free Evaluation Metric for Image
    Captioning".
    """

    model: Model
    name: str = field(default="caption", init=False)
    version: ClassVar[int] = 2
    wants_gpu: ClassVar[bool] = True

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        return {ROWS: ("caption",), self.model.table: ("embedding",)}

    @property
    def keyed_by(self) -> dict[str, tuple[str, ...]]:
        return {ROWS: ("id", "caption")}

    @property
    def adds(self) -> pa.Schema:
        return pa.schema([("caption_sim", pa.float32())])

    def options(self) -> dict[str, Any]:
        return {"model": self.model.name, "weights_sha256": self.model.weights_sha256}

    def setup(self) -> Callable[[], Encoder]:
        from emo8.labels.clip.encoder import best_device, load

        return functools.cache(lambda: load(self.model.name, device=best_device()))

    def run(self, batch: Batch, state: Callable[[], Encoder]) -> pa.Table:
        column = batch[self.model.table].column("embedding").combine_chunks()
        captions = batch[ROWS].column("caption").to_pylist()
        known = np.asarray([bool(text) for text in captions]) & np.asarray(column.is_valid())
        sims = np.zeros(len(captions), np.float32)
        if known.any():
            wanted = [captions[row] for row in np.flatnonzero(known)]
            texts = state().embed_texts(wanted, batch_size=BATCH, filled=True)
            sims[known] = (embeddings(column, self.model.dim)[known] * texts).sum(axis=1)
        return _scores(sims, pa.array(known), self.adds)


def _scores(values: np.ndarray, valid: pa.Array, schema: pa.Schema) -> pa.Table:
    """One rounded column, null where not valid."""
    rounded = values.astype(np.float32).round(PUBLISHED_DECIMALS)
    missing = ~np.asarray(valid)
    return pa.table([pa.array(rounded, pa.float32(), mask=missing)], schema=schema)
