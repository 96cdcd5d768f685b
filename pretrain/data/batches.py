"""Training batches as a pure function of (seed, step, rank): which rows, which crops, which masks.

Rows come from an endless stream: the permutation of epoch 0, then of epoch 1, and so on; step and
rank say which part. So a resumed run needs only its step, worker counts change nothing, every row
is seen once per epoch over all ranks, and all ranks make as many steps. Crops and masks depend on
(seed, epoch, row) alone. `pretrain/data/streaming.py` has the order of a dataset that is streamed.

Letters: B rows of one process, C channels, S pixels per side, L patches, T teacher width.
"""

from __future__ import annotations

import itertools
import logging
import math
import signal
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pretrain.config.settings import PretrainConfig
from pretrain.data.ahead import ahead
from pretrain.data.cache import MemorySource, StoredCrops
from pretrain.data.dataset import NO_TEXT, Source
from pretrain.data.streaming import Record, StreamSource
from pretrain.views.cut import Box, centre_box, cut, jittered, random_box, recolour
from pretrain.views.pictures import Picture, UnreadableImageError, open_picture

logger = logging.getLogger(__name__)


NO_ROWS = (
    "none of the dataset's pictures can be decoded",
    "no row has a readable picture with a person box, and views.person_fallback = 'skip' passes "
    "over the others; choose whole or scene_crop",
)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one step of one process sees."""

    ids: list[str]
    skipped: list[str]  # ids of rows that did not decode; the next readable row took their place
    scene: Tensor  # uint8 (B, C, S, S)
    person: Tensor  # uint8 (B, C, S, S)
    scene_noise: Tensor  # float32 (B, L)
    person_noise: Tensor  # float32 (B, L)
    text_index: Tensor  # int64 (B,) into the source's distinct texts
    teacher_image: Tensor | None = None  # unit (B, T) where features are cached

    def to(self, device: torch.device) -> Batch:
        """The batch with its tensors on the device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory; the loader calls this."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {
            name: change(value) for name, value in values.items() if isinstance(value, Tensor)
        }
        return replace(self, **changed)


@dataclass(frozen=True, kw_only=True)
class Example:
    """One row, drawn."""

    row: int
    scene: Tensor
    person: Tensor
    scene_noise: Tensor
    person_noise: Tensor
    teacher_image: Tensor | None = None
    no_text: bool = False  # prompt dropout: NO_TEXT stands in for the row's text


class StepBatches(Dataset[Batch]):
    """Batch number i is the i-th micro-batch of this rank; a step is `accumulate` of them."""

    def __init__(
        self, source: Source, config: PretrainConfig, *, rank: int = 0, num_ranks: int = 1
    ) -> None:
        self.source, self.config = source, config
        self.rank, self.num_ranks = rank, num_ranks
        crops: StoredCrops | None = None
        if config.teacher.features == "cached":
            crops = getattr(source, "crops", None)
            assert crops is not None  # resolve_features saw a cache file
        self.views = Views(config, crops)
        self._permutation: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return self.config.steps * self.config.optim.accumulate

    def __getitem__(self, index: int) -> Batch:
        size = self.config.data.batch_size
        first = (index * self.num_ranks + self.rank) * size
        skipped: list[str] = []
        examples = [self._draw(place, skipped) for place in range(first, first + size)]
        return collate(self.source, examples, skipped)

    def _draw(self, place: int, skipped: list[str]) -> Example:
        epoch, within = divmod(place, len(self.source.ids))
        row = int(self._order(epoch)[within])
        for _ in self.source.ids:
            try:
                picture = self.source.picture(row)
                if has_wanted_person(picture, self.config):
                    return self.views.example(epoch, row, picture)
            except UnreadableImageError as problem:
                logger.warning("skipped %s", problem)
            skipped.append(self.source.ids[row])
            row = (row + 1) % len(self.source.ids)
        raise ValueError(NO_ROWS[self.config.views.person_fallback == "skip"])

    def _order(self, epoch: int) -> np.ndarray:
        if self._permutation is None or self._permutation[0] != epoch:
            rng = np.random.default_rng((self.config.seed, epoch))
            self._permutation = (epoch, epoch_order(rng, self.source, self.config.data.balance))
        return self._permutation[1]


def epoch_order(rng: np.random.Generator, source: Source, balance: str) -> np.ndarray:
    """The rows of one epoch, as many as there are: each once, or each label as often.

    Balanced, rows of a rare label come again and again before any row of a common one comes twice;
    rows without a label are a group of their own.
    """
    count = len(source.ids)
    if not balance:
        return rng.permutation(count)
    columns = balance.split("+")
    if missing := [name for name in columns if name not in source.labels]:
        raise ValueError(f"data.balance = {balance!r}: the data have no column {missing[0]!r}")
    groups: dict[tuple[str | None, ...], list[int]] = {}
    for row, key in enumerate(zip(*(source.labels[name] for name in columns), strict=True)):
        groups.setdefault(key, []).append(row)
    wanted = math.ceil(count / len(groups))
    drawn = []
    for key in sorted(groups, key=str):
        rows = np.array(groups[key])
        rounds = [rng.permutation(rows) for _ in range(math.ceil(wanted / len(rows)))]
        drawn.append(np.concatenate(rounds)[:wanted])
    return rng.permutation(np.concatenate(drawn))[:count]


class Views:
    """Draws both views of a row, its masks and its text from (seed, epoch, row)."""

    def __init__(self, config: PretrainConfig, crops: StoredCrops | None = None) -> None:
        self.config, self.crops = config, crops

    def example(self, epoch: int, row: int, picture: Picture) -> Example:
        """The row, drawn; UnreadableImageError where the picture is broken."""
        views, size = self.config.views, self.config.model.image_size
        rng = np.random.default_rng((self.config.seed, epoch, row))
        flip = bool(rng.random() < views.flip_prob)
        feature = None
        width, height = picture.scene_size
        if self.crops is None:
            box = random_box(rng, width, height, views.scene_scale, views.ratio)
        else:
            crop = int(rng.integers(self.crops.boxes.shape[1]))
            box = _in_pixels(self.crops.boxes[row, crop], width, height)
            flip, feature = bool(self.crops.flips[row, crop]), self.crops.features[row, crop]
        person_box = self._person_box(rng, picture)
        noise = torch.from_numpy(rng.random((2, self.config.model.num_patches), np.float32))
        flips = (flip, flip)
        if views.augment_views == "independent":
            flips = (flip, bool(rng.random() < views.flip_prob))
        scene_view, person_view = picture.cut_views(box, person_box, size, flips)
        if views.colour_jitter:
            scene_view, person_view = self._recoloured(rng, scene_view, person_view)
        dropout = self.config.data.text_dropout
        return Example(
            row=row,
            scene=scene_view,
            person=person_view,
            scene_noise=noise[0],
            person_noise=noise[1],
            teacher_image=feature,
            no_text=bool(dropout and rng.random() < dropout),
        )

    def _person_box(self, rng: np.random.Generator, picture: Picture) -> Box:
        """The box of the person view in the person's region, or in the whole picture."""
        views = self.config.views
        if picture.person_size is None:
            scene_crop = views.person_fallback == "scene_crop"
            scale = views.scene_scale if scene_crop else views.person_scale
            return random_box(rng, *picture.scene_size, scale, views.ratio)
        region = (0, 0, *picture.person_size)
        if views.person_jitter:
            region = jittered(region, views.person_jitter, rng.random(2).tolist())
        width, height = region[2] - region[0], region[3] - region[1]
        box = random_box(rng, width, height, views.person_scale, views.ratio)
        shift = (region[0], region[1], region[0], region[1])
        left, top, right, bottom = (edge + by for edge, by in zip(box, shift, strict=True))
        return left, top, right, bottom

    def _recoloured(
        self, rng: np.random.Generator, scene: Tensor, person: Tensor
    ) -> tuple[Tensor, Tensor]:
        views = self.config.views
        factors = 1 + views.colour_jitter * rng.uniform(-1, 1, (2, 3))
        own = factors[1] if views.augment_views == "independent" else factors[0]
        return recolour(scene, factors[0].tolist()), recolour(person, own.tolist())


def has_wanted_person(picture: Picture, config: PretrainConfig) -> bool:
    """False where nobody is found and the recipe skips such rows."""
    return picture.person_size is not None or config.views.person_fallback != "skip"


def collate(source: Source | StreamSource, examples: list[Example], skipped: list[str]) -> Batch:
    """The examples as one batch."""
    rows = [example.row for example in examples]
    features = [e.teacher_image for e in examples if e.teacher_image is not None]
    return Batch(
        ids=[source.ids[row] for row in rows],
        skipped=skipped,
        scene=_stack([example.scene for example in examples]),
        person=_stack([example.person for example in examples]),
        scene_noise=torch.stack([example.scene_noise for example in examples]),
        person_noise=torch.stack([example.person_noise for example in examples]),
        text_index=_text_index(source, examples),
        teacher_image=torch.stack(features) if features else None,
    )


def _stack(views: list[Tensor]) -> Tensor:
    """uint8 (B, C, S, S), laid out in memory as the views are: a plain copy of each."""
    if all(view.is_contiguous() for view in views):
        return torch.stack(views)
    return torch.stack([view.permute(1, 2, 0) for view in views]).permute(0, 3, 1, 2)


def _text_index(source: Source | StreamSource, examples: list[Example]) -> Tensor:
    """int64 (B,): each example's text, or the place of NO_TEXT where it was dropped."""
    index = source.text_index[[example.row for example in examples]]
    dropped = torch.tensor([example.no_text for example in examples])
    if not dropped.any():
        return index
    return torch.where(dropped, source.texts.index(NO_TEXT), index)


def training_batches(
    source: Source | StreamSource,
    config: PretrainConfig,
    *,
    first_step: int,
    rank: int,
    num_ranks: int,
) -> Iterator[list[Batch]]:
    """The micro-batches of steps first_step..config.steps of this rank, a list per step."""
    each = config.optim.accumulate
    first, last = (first_step - 1) * each, config.steps * each
    made: Dataset[Batch]
    if isinstance(source, StreamSource):
        made = StreamBatches(source, config)
        wanted: Iterable[Any] = source.batches(
            config, first=first, last=last, rank=rank, num_ranks=num_ranks
        )
    else:
        made = StepBatches(source, config, rank=rank, num_ranks=num_ranks)
        wanted = range(first, last)
    workers = config.data.num_workers
    loader = DataLoader(
        made,
        batch_size=None,
        sampler=wanted,
        num_workers=workers,
        prefetch_factor=2 if workers else None,
        worker_init_fn=deaf_to_signals if workers else None,
        generator=torch.Generator(),  # the loader's own draws leave the run's random state alone
        pin_memory=config.system.device != "cpu" and torch.cuda.is_available(),
    )
    # decoded rows cost too little to send from another process: a thread makes them
    beside = workers == 0 and isinstance(source, MemorySource)
    batches = ahead(loader) if beside else iter(loader)
    try:
        while step := list(itertools.islice(batches, each)):
            yield step
    finally:
        if isinstance(batches, Generator):
            batches.close()


def deaf_to_signals(worker: int) -> None:
    """Ctrl-C and SIGTERM reach the whole process group: the training process answers, not loaders.

    One thread each: there are as many loaders as cores.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(1)


class StreamBatches(Dataset[Batch]):
    """Makes a batch of the encoded rows that it is given in place of a number."""

    def __init__(self, source: StreamSource, config: PretrainConfig) -> None:
        self.source, self.config, self.views = source, config, Views(config)

    def __getitem__(self, records: list[Record]) -> Batch:  # type: ignore[override]
        skipped: list[str] = []
        found = [self._try(record, skipped) for record in records]
        good = [example for example in found if example is not None]
        if not good:
            raise ValueError(NO_ROWS[self.config.views.person_fallback == "skip"])
        # the next readable row takes the place of one that is not
        stand_ins = itertools.cycle(good)
        return collate(self.source, [e or next(stand_ins) for e in found], skipped)

    def _try(self, record: Record, skipped: list[str]) -> Example | None:
        try:
            picture = open_picture(record.data, record.people, self.config.views)
            if has_wanted_person(picture, self.config):
                return self.views.example(record.epoch, record.row, picture)
        except UnreadableImageError as problem:
            logger.warning("skipped row %s: %s", self.source.ids[record.row], problem)
        skipped.append(self.source.ids[record.row])
        return None


def fixed_batches(source: Source, config: PretrainConfig, rows: Sequence[int]) -> Iterator[Batch]:
    """These rows in order, unreadable ones left out: middle crops, masks that never change."""
    size, examples, skipped = config.model.image_size, [], list[str]()
    for row in rows:
        try:
            pixels = source.pixels(row)
        except UnreadableImageError as problem:
            logger.warning("skipped %s", problem)
            skipped.append(source.ids[row])
            continue
        # one fixed stream per row, whatever the run's seed
        if not has_wanted_person(pixels, config):
            continue
        rng = np.random.default_rng((0, row))
        noise = torch.from_numpy(rng.random((2, config.model.num_patches), np.float32))
        person = pixels.scene if pixels.person is None else pixels.person
        box = _middle(person)
        if pixels.person is not None and config.views.person_jitter:
            box = jittered((0, 0, person.shape[1], person.shape[0]), config.views.person_jitter)
        examples.append(
            Example(
                row=row,
                scene=cut(pixels.scene, _middle(pixels.scene), size),
                person=cut(person, box, size),
                scene_noise=noise[0],
                person_noise=noise[1],
            )
        )
        if len(examples) == config.data.batch_size:
            yield collate(source, examples, skipped)
            examples, skipped = [], []
    if examples:
        yield collate(source, examples, skipped)


def _middle(image: Tensor) -> Box:
    return centre_box(image.shape[1], image.shape[0])


def _in_pixels(box: Tensor, width: int, height: int) -> Box:
    left, top, right, bottom = box.tolist()
    return (
        min(width - 1, round(left * width)),
        min(height - 1, round(top * height)),
        max(1, round(right * width)),
        max(1, round(bottom * height)),
    )
