"""What a run looks at while it trains: kNN accuracy of its features, and its reconstructions.

Both use a copy of the weights and rows that never change, so training does not notice.

Letters: N rows, D encoder width.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pretrain.config.resolve import rows_per_step
from pretrain.config.settings import PretrainConfig
from pretrain.data.batches import fixed_batches
from pretrain.data.dataset import Source
from pretrain.models.uniemox import UniEmoX, build_model
from pretrain.train import parallelize
from pretrain.train.step import TrainState
from pretrain.views.cut import normalise

logger = logging.getLogger(__name__)

NEIGHBOURS, TEMPERATURE = 20, 0.07  # as in Caron et al. (2021), "DINO", sec. 4.1
FEWEST_ROWS = 20
SHOWN_ROWS = 6


class Watch:
    """Probes and pictures, when they are due."""

    def __init__(
        self, config: PretrainConfig, source: Source | None, run: Path, num_ranks: int
    ) -> None:
        self._config, self._source, self._run = config, source, run
        self._rows = rows_per_step(config, num_ranks)
        wants = config.log.probe_every_epochs or config.log.pictures_every
        if wants and source is None:
            raise ValueError(
                "log.probe_every_epochs and log.pictures_every look at rows again and again; "
                "set both to 0 with data.streaming"
            )
        self._probe_rows = probe_rows(source, config) if source and self._probes else []

    @property
    def _probes(self) -> bool:
        return self._config.log.probe_every_epochs > 0

    def look(self, state: TrainState, step: int) -> float | None:
        """kNN accuracy where a probe is due, on every process; pictures are written besides."""
        probe, draw = self._probe_due(step), self._pictures_due(step)
        if not probe and not draw:
            return None
        model = whole_model(state)  # every process must ask
        accuracy = None
        if state.world.is_main and self._source is not None:
            if probe:
                accuracy = knn_accuracy(model, self._config, self._source, self._probe_rows)
                logger.info("step %d: kNN accuracy %.3f", step, accuracy)
            if draw:
                path = self._run / "pictures" / f"step-{step:08d}.png"
                draw_rows(model, self._config, self._source, path)
        found: float | None = parallelize.gather_objects(accuracy, state.world)[0]
        return found

    def _probe_due(self, step: int) -> bool:
        if not self._probe_rows or self._source is None:
            return False
        period = self._config.log.probe_every_epochs * len(self._source.ids)
        before = math.floor((step - 1) * self._rows / period)
        return before != math.floor(step * self._rows / period) or step == self._config.steps

    def _pictures_due(self, step: int) -> bool:
        every = self._config.log.pictures_every
        return bool(every) and (step % every == 0 or step == self._config.steps)


def whole_model(state: TrainState) -> UniEmoX:
    """A copy of the model for looking: not sharded, not compiled, in evaluation mode."""
    weights = {
        name: parallelize.full_tensor(value.detach()).clone()
        for name, value in state.model.state_dict().items()
    }
    dim = state.text_features.shape[1]
    with torch.device("meta"):
        model = build_model(state.config.model, teacher_dim=dim, seed=0)
    model.load_state_dict(weights, assign=True)
    return model.eval().requires_grad_(False)


def probe_rows(source: Source, config: PretrainConfig) -> list[int]:
    """Rows with a label that may be used, drawn once and for all; none where there are too few."""
    from emo8.core.taxonomy import COUNTED_RULES

    column = config.log.probe_column
    values = source.labels.get(column, [])
    rules = source.labels.get("emotion_rule") if column == "emotion" else None
    rows = [
        row
        for row, value in enumerate(values)
        if value is not None and (rules is None or rules[row] in COUNTED_RULES)
    ]
    if len(rows) < FEWEST_ROWS or len({values[row] for row in rows}) < 2:
        logger.warning("kNN probe left out: %d rows with a usable %s", len(rows), column)
        return []
    order = np.random.default_rng(0).permutation(rows)
    return [int(row) for row in order[: config.log.probe_rows]]


@torch.inference_mode()
def knn_accuracy(model: UniEmoX, config: PretrainConfig, source: Source, rows: list[int]) -> float:
    """Share of the second half of the rows whose label the nearest of the first half give.

    Cosine similarity of CLS and mean patch; votes weigh exp(similarity / temperature).
    """
    places = {row_id: row for row, row_id in enumerate(source.ids)}
    ids, parts = list[str](), []
    device = next(model.parameters()).device
    for batch in fixed_batches(source, config, rows):
        pixels = normalise(batch.scene.to(device), config.views.mean, config.views.std)
        tokens = model.mae.encode(pixels)
        parts.append(torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1).float())
        ids += batch.ids
    features = functional.normalize(torch.cat(parts), dim=1)  # (N, 2 D)
    names = [source.labels[config.log.probe_column][places[row_id]] for row_id in ids]
    known = sorted({name for name in names if name is not None})
    labels = torch.tensor([known.index(name) for name in names if name], device=device)
    half = len(labels) // 2
    votes = _votes(features[half:], features[:half], labels[:half], len(known))
    return float((votes.argmax(dim=1) == labels[half:]).float().mean())


def _votes(queries: Tensor, bank: Tensor, labels: Tensor, num_labels: int) -> Tensor:
    """(Q, num_labels) weighted votes of the nearest of the bank."""
    similar, nearest = (queries @ bank.T).topk(min(NEIGHBOURS, len(bank)), dim=1)
    votes = torch.zeros(len(queries), num_labels, device=queries.device)
    return votes.scatter_add_(1, labels[nearest], (similar / TEMPERATURE).exp())


@torch.inference_mode()
def draw_rows(model: UniEmoX, config: PretrainConfig, source: Source, path: Path) -> None:
    """A PNG of input, masked and reconstructed views; left out where Pillow is not installed."""
    from pretrain.show.rows import ShownRow, cells_of, contact_sheet, people_first, shown_views

    model, rows = model.cpu(), list[ShownRow]()
    for batch in fixed_batches(source, config, people_first(source, SHOWN_ROWS)):
        views = [
            normalise(view, config.views.mean, config.views.std)
            for view in (batch.scene, batch.person)
        ]
        encoded = model.encode_views(*views, batch.scene_noise, batch.person_noise)
        shown = [shown_views(model, config, *pair) for pair in zip(views, encoded, strict=True)]
        rows += [
            ShownRow(id=row_id, scene=scene, person=person)
            for row_id, scene, person in zip(batch.ids, *shown, strict=True)
        ]
    try:
        sheet = contact_sheet([cells_of(row) for row in rows])
    except ImportError:
        logger.warning("log.pictures_every: install pillow to see reconstructions")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sheet)
