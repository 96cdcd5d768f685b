"""The CLIP steps: `embed-MODEL` runs an image tower once; `label` and `calibrate` make claims.

A changed prompt reruns `label` and what follows, a changed calibration `calibrate` alone. Both
read narrow columns and decode no picture.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from emo8.core import label_set
from emo8.core.images import DecodeError, decode
from emo8.core.schema import PUBLISHED_DECIMALS
from emo8.engine.live import ticked
from emo8.engine.steps import ROWS, Batch, Step
from emo8.labels.calibration import Calibrations
from emo8.labels.clip import domain
from emo8.labels.clip.domain import Domain
from emo8.labels.clip.recorded import Model
from emo8.labels.vectors import distributions, embeddings, rows_or_null

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emo8.labels.clip.encoder import Encoder

# Pictures in a batch, by device. Every batch is filled up to it: sums are then done in one order,
# whatever else is in it, and a vector can be kept for its picture.
BATCH_IMAGES = {"cpu": 16, "cuda": 32}


@dataclass(frozen=True, kw_only=True)
class Embed(Step):
    """Unit image vectors of one model, as float16; null where there is no picture.

    Loader threads decode and resize the next pictures while the model works. No vector depends on
    the others of its batch.
    """

    model: Model
    max_pixels: int
    version: ClassVar[int] = 3
    wants_gpu: ClassVar[bool] = True

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.model.table

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        return {ROWS: ("image",), "measure": ("decode_reason",)}

    @property
    def keyed_by(self) -> dict[str, tuple[str, ...]]:
        return {ROWS: ("id",), "measure": ("decode_reason",)}

    @property
    def adds(self) -> pa.Schema:
        return pa.schema([("embedding", pa.list_(pa.float16(), self.model.dim))])

    def options(self) -> dict[str, Any]:
        model = self.model
        return {
            "model": model.name,
            "weights_sha256": model.weights_sha256,
            "activation": model.activation,
            "precision": model.precision,
        }

    def setup(self) -> Encoder:
        from emo8.labels.clip.encoder import best_device, load

        return load(self.model.name, device=best_device(), precision=self.model.precision)

    def run(self, batch: Batch, state: Encoder) -> pa.Table:
        from emo8.labels.clip import loader

        images, reasons = batch[ROWS].column("image"), batch["measure"].column("decode_reason")
        vectors: list[np.ndarray | None] = [None] * len(images)
        good = [
            row
            for row in range(len(images))
            if images[row].is_valid and images[row]["bytes"].is_valid and not reasons[row].is_valid
        ]
        size = BATCH_IMAGES[state.device]
        ready = loader.ahead(
            good,
            lambda row: state.preprocess(self._pixels(images[row])),
            threads=loader.THREADS[state.device],
            num_ahead=2 * size,
        )
        found = state.embed_preprocessed(ticked(ready), batch_size=size, filled=True)
        for row, vector in zip(good, found, strict=True):
            vectors[row] = vector.astype(np.float16)
        return pa.table([pa.array(vectors, self.adds.field(0).type)], schema=self.adds)

    def _pixels(self, image: pa.StructScalar) -> np.ndarray:
        try:
            return decode(image["bytes"].as_py(), max_pixels=self.max_pixels).rgb
        except DecodeError as error:  # `measure` has decoded these very bytes
            raise RuntimeError(f"a picture decoded once and not twice: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Label(Step):
    """CLIP's raw distributions: the mean over the models of the recipe, and how far they agree.

    Models that lie outside of their domain do not count; where none is inside, `style_prob` is
    even and `out_of_domain` true, and the raw distribution of the emotion is that of all.
    """

    models: tuple[Model, ...]
    prompts_sha256: str
    style_prompts: bool
    classifiers: Path  # made by `emo8.classifiers`
    domains: tuple[Domain | None, ...] = ()  # of the models; None, or none at all: no limits
    name: str = field(default="label", init=False)
    version: ClassVar[int] = 3

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        return {ROWS: ("style_source",), **{m.table: ("embedding",) for m in self.models}}

    @property
    def adds(self) -> pa.Schema:
        prob = pa.list_(pa.float32())
        return pa.schema(
            [
                ("emotion_raw_prob", prob),
                ("emotion_agreement", pa.float32()),
                ("style_prob", prob),
                ("positive_prob", pa.float32()),
                ("out_of_domain", pa.bool_()),
            ]
        )

    def options(self) -> dict[str, Any]:
        models = [(model.name, model.weights_sha256) for model in self.models]
        return {
            "models": models,
            "domains": [None if d is None else dataclasses.asdict(d) for d in self.domains],
            "prompts_sha256": self.prompts_sha256,
            "style_prompts": self.style_prompts,
        }

    def setup(self) -> dict[str, np.ndarray]:
        with np.load(self.classifiers, allow_pickle=False) as file:
            return dict(file)

    def run(self, batch: Batch, state: dict[str, np.ndarray]) -> pa.Table:
        first = batch[self.models[0].table].column("embedding").combine_chunks()
        valid = first.is_valid().to_numpy(zero_copy_only=False)
        vectors = {
            model.table: embeddings(batch[model.table].column("embedding"), model.dim)
            for model in self.models
        }
        counts = self._counts(vectors)
        outside = ~counts.any(axis=0)
        style_prob = _mean(self._each(vectors, state, "style"), counts)
        style_prob[outside] = domain.nothing_said(style_prob.shape[1])
        claimed = batch[ROWS].column("style_source").to_pylist()
        styles = styles_of(claimed, style_prob)
        each = self._each(vectors, state, "emotion")
        if self.style_prompts:
            for number, style in enumerate(label_set.styles()):
                rows = styles == number
                if rows.any() and f"{self.models[0].table}/emotion/{style}" in state:
                    own = {table: found[rows] for table, found in vectors.items()}
                    each[:, rows] = self._each(own, state, f"emotion/{style}")
        emotion_prob = _mean(each, counts)
        same = each.argmax(axis=2) == emotion_prob.argmax(axis=1)
        positive = _mean(self._each(vectors, state, "polarity"), counts)[:, 0]
        columns = [
            rows_or_null(emotion_prob, valid),
            pa.array(same.mean(axis=0), pa.float32(), mask=~valid),
            rows_or_null(style_prob.round(PUBLISHED_DECIMALS), valid),
            pa.array(positive.round(PUBLISHED_DECIMALS), pa.float32(), mask=~valid),
            pa.array(outside, pa.bool_(), mask=~valid),
        ]
        return pa.table(columns, schema=self.adds)

    def _counts(self, vectors: dict[str, np.ndarray]) -> np.ndarray:
        """(M, N) whether each of the M models is inside its domain with each picture."""
        return np.stack(
            [
                np.ones(len(vectors[model.table]), bool)
                if known is None
                else known.holds(vectors[model.table])
                for model, known in zip_longest(self.models, self.domains)
            ]
        )

    def _each(
        self, vectors: dict[str, np.ndarray], state: dict[str, np.ndarray], what: str
    ) -> np.ndarray:
        """Distributions (M, N, K) of the M models."""
        from emo8.labels.clip.zeroshot import probabilities

        return np.stack(
            [
                probabilities(
                    vectors[model.table],
                    state[f"{model.table}/{what}"],
                    logit_scale=model.logit_scale,
                ).astype(np.float64)
                for model in self.models
            ]
        )


@dataclass(frozen=True, kw_only=True)
class Calibrate(Step):
    """CLIP's final claim: the raw distribution, calibrated where a calibration is given.

    Outside of the models' domains nothing is claimed, unless a calibration was fitted on rows of
    that very style.
    """

    calibrations: Calibrations
    name: str = field(default="calibrate", init=False)
    version: ClassVar[int] = 2

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        return {
            ROWS: ("style_source",),
            "label": ("emotion_raw_prob", "style_prob", "out_of_domain"),
        }

    @property
    def adds(self) -> pa.Schema:
        return pa.schema(
            [
                ("emotion_prob", pa.list_(pa.float32())),
                ("emotion_margin", pa.float32()),
                ("emotion_entropy", pa.float32()),
                ("emotion_calibration", pa.string()),
            ]
        )

    def options(self) -> dict[str, Any]:
        return self.calibrations.options()

    def run(self, batch: Batch, state: Any) -> pa.Table:
        from emo8.labels.clip.calibrate import entropy, margin

        label = batch["label"]
        raw = label.column("emotion_raw_prob").combine_chunks()
        valid = raw.is_valid().to_numpy(zero_copy_only=False)
        prob = distributions(raw, len(label_set.emotions()))
        style_prob = distributions(label.column("style_prob"), len(label_set.styles()))
        styles = styles_of(batch[ROWS].column("style_source").to_pylist(), style_prob)
        names = np.full(len(prob), "none", dtype=object)
        for number, style in enumerate(label_set.styles()):
            rows = styles == number
            names[rows], calibration = self.calibrations.of(style)
            if rows.any() and calibration is not None:
                prob[rows] = calibration.apply(prob[rows])
        outside = label.column("out_of_domain").fill_null(False).to_numpy()
        outside &= ~np.isin(names.astype(str), list(self.calibrations.by_style))
        prob[outside], names[outside] = domain.nothing_said(prob.shape[1]), domain.OUT_OF_DOMAIN
        rounded = prob.round(PUBLISHED_DECIMALS)
        columns = [
            rows_or_null(rounded, valid),
            pa.array(margin(rounded).round(PUBLISHED_DECIMALS), pa.float32(), mask=~valid),
            pa.array(entropy(rounded).round(PUBLISHED_DECIMALS), pa.float32(), mask=~valid),
            pa.array(names, pa.string(), mask=~valid),
        ]
        return pa.table(columns, schema=self.adds)


def _mean(each: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(N, K) means of distributions (M, N, K) over the models that count (M, N); all, if none."""
    weights = np.where(counts.any(axis=0), counts, True)
    mean: np.ndarray = np.average(each, axis=0, weights=weights[..., None] * np.ones(each.shape))
    return mean


def styles_of(claimed: Sequence[str | None], style_prob: np.ndarray) -> np.ndarray:
    """Style numbers (N,): the source's where it is one of ours, else CLIP's most likely one."""
    found = style_prob.argmax(axis=1)
    for row, name in enumerate(claimed):
        if name is not None:
            try:
                found[row] = label_set.styles().index(label_set.parse_style(name))
            except ValueError:  # another vocabulary: CLIP decides
                continue
    return found
