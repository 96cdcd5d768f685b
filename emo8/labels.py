"""The CLIP steps: `embed-MODEL` runs an image tower once, `label` turns embeddings into claims.

A changed prompt reruns `label` alone, which reads embeddings and decodes no picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from emo8.images import DecodeError, decode
from emo8.parts import fingerprint
from emo8.schema import PUBLISHED_DECIMALS
from emo8.steps import ROWS, Batch, Step
from emo8.taxonomy import EMOTIONS, STYLES

if TYPE_CHECKING:
    from emo8.clip.encoder import Encoder
    from emo8.clip.prompts import PromptSet

BATCH_IMAGES = 32


@dataclass(frozen=True, kw_only=True)
class Model:
    """A CLIP model as a build knows it: fixed by the hash of its weights."""

    name: str  # as the recipe writes it
    weights_sha256: str
    dim: int  # width of its embeddings
    logit_scale: float  # the temperature factor

    @property
    def table(self) -> str:
        """The name of the step that holds this model's embeddings."""
        return "embed-" + re.sub(r"[^A-Za-z0-9.]+", "-", self.name).strip("-")


@dataclass(frozen=True, kw_only=True)
class Embed(Step):
    """Unit image vectors of one model, as float16; null where there is no picture."""

    model: Model
    max_pixels: int
    version: ClassVar[int] = 1
    wants_gpu: ClassVar[bool] = True

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.model.table

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        return {ROWS: ("image",), "measure": ("decode_reason",)}

    @property
    def adds(self) -> pa.Schema:
        return pa.schema([("embedding", pa.list_(pa.float16(), self.model.dim))])

    def options(self) -> dict[str, Any]:
        return {"model": self.model.name, "weights_sha256": self.model.weights_sha256}

    def setup(self) -> Encoder:
        from emo8.clip.encoder import best_device, load

        return load(self.model.name, device=best_device())

    def run(self, batch: Batch, state: Encoder) -> pa.Table:
        images, reasons = batch[ROWS].column("image"), batch["measure"].column("decode_reason")
        vectors: list[np.ndarray | None] = [None] * len(images)
        good = [
            row
            for row in range(len(images))
            if images[row].is_valid and images[row]["bytes"].is_valid and not reasons[row].is_valid
        ]
        for start in range(0, len(good), BATCH_IMAGES):
            rows = good[start : start + BATCH_IMAGES]
            found = state.embed_images(self._pixels(images[row]) for row in rows)
            for row, vector in zip(rows, found, strict=True):
                vectors[row] = vector.astype(np.float16)
        return pa.table([pa.array(vectors, self.adds.field(0).type)], schema=self.adds)

    def _pixels(self, image: pa.StructScalar) -> np.ndarray:
        try:
            return decode(image["bytes"].as_py(), max_pixels=self.max_pixels).rgb
        except DecodeError as error:  # `measure` has decoded these very bytes
            raise RuntimeError(f"a picture decoded once and not twice: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Label(Step):
    """CLIP's distributions over emotions and styles: the mean over the models of the recipe."""

    models: tuple[Model, ...]
    prompts_sha256: str
    classifiers: Path  # made by `write_classifiers`
    name: str = field(default="label", init=False)
    version: ClassVar[int] = 1

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        return {model.table: ("embedding",) for model in self.models}

    @property
    def adds(self) -> pa.Schema:
        prob = pa.list_(pa.float32())
        return pa.schema([("emotion_prob", prob), ("style_prob", prob)])

    def options(self) -> dict[str, Any]:
        models = [(model.name, model.weights_sha256) for model in self.models]
        return {"models": models, "prompts_sha256": self.prompts_sha256}

    def setup(self) -> dict[str, np.ndarray]:
        with np.load(self.classifiers, allow_pickle=False) as file:
            return dict(file)

    def run(self, batch: Batch, state: dict[str, np.ndarray]) -> pa.Table:
        columns = [
            self._claim(batch, state, "emotion", len(EMOTIONS)),
            self._claim(batch, state, "style", len(STYLES)),
        ]
        return pa.table(columns, schema=self.adds)

    def _claim(
        self, batch: Batch, state: dict[str, np.ndarray], what: str, num_names: int
    ) -> pa.Array:
        """Rows of probabilities, null where there is no embedding."""
        from emo8.clip.zeroshot import probabilities

        first = batch[self.models[0].table].column("embedding").combine_chunks()
        mean = np.zeros((len(first), num_names))
        for model in self.models:
            vectors = embeddings(batch[model.table].column("embedding"), model.dim)
            prob = probabilities(
                vectors, state[f"{model.table}/{what}"], logit_scale=model.logit_scale
            )
            mean += prob / len(self.models)
        rounded = mean.astype(np.float32).round(PUBLISHED_DECIMALS)
        valid = first.is_valid().to_pylist()
        return pa.array(
            [row if ok else None for row, ok in zip(rounded, valid, strict=True)],
            pa.list_(pa.float32()),
        )


def embeddings(column: pa.ChunkedArray, dim: int) -> np.ndarray:
    """An embedding column as (N, D) float32; rows without one are zeros."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    out = np.zeros((len(array), dim), np.float32)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    out[valid] = array.drop_null().flatten().to_numpy().reshape(-1, dim)
    return out


def resolve(name: str, known: list[dict[str, Any]]) -> Model:
    """The model called `name`: from `known` when its weights cannot have changed, else loaded."""
    from emo8.clip.encoder import load, stored_sha256

    for described in known:
        model = Model(**described)
        if model.name == name and stored_sha256(name) in (None, model.weights_sha256):
            return model
    encoder = load(name)
    return Model(
        name=name,
        weights_sha256=encoder.weights_sha256,
        dim=encoder.dim,
        logit_scale=encoder.logit_scale,
    )


def write_classifiers(folder: Path, models: tuple[Model, ...], prompts: PromptSet) -> Path:
    """Text vectors of every model for every prompt set, kept by hash of models and prompts."""
    from emo8.clip.encoder import load
    from emo8.clip.zeroshot import classifier

    key = fingerprint(2, [model.weights_sha256 for model in models], prompts.sha256)[:16]
    path = folder / f"classifiers-{key}.npz"
    if path.exists():
        return path
    arrays = {}
    for model in models:
        encoder = load(model.name)
        arrays[f"{model.table}/emotion"] = classifier(encoder, prompts.emotion, EMOTIONS)
        arrays[f"{model.table}/style"] = classifier(encoder, prompts.style, STYLES)
        arrays[f"{model.table}/safety"] = classifier(encoder, prompts.safety, tuple(prompts.safety))
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{path.name}.partial.npz"
    np.savez(partial, **arrays)  # type: ignore[arg-type]
    partial.replace(path)
    return path
