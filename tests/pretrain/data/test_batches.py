"""Batches are a pure function of seed, step and rank."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from pretrain.config import recipes
from pretrain.config.settings import PretrainConfig
from pretrain.data.batches import Batch, StepBatches, epoch_order, fixed_batches, training_batches
from pretrain.data.cache import open_source
from pretrain.data.dataset import Source
from tests.pretrain.conftest import BROKEN_ROW, SPLITS, write_dataset


@pytest.fixture(scope="module")
def source(dataset_dir: Path) -> Source:
    return open_source(str(dataset_dir), "train", recipes.cpu_smoke())


def changed(**data: int | bool) -> PretrainConfig:
    recipe = recipes.cpu_smoke()
    return dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, **data))


def assert_equal(first: Batch, second: Batch) -> None:
    assert first.ids == second.ids
    for name in ("scene", "person", "scene_noise", "person_noise", "text_index"):
        assert torch.equal(getattr(first, name), getattr(second, name)), name


def test_batches__same_seed_and_step_give_the_same_batch(source: Source) -> None:
    assert_equal(StepBatches(source, changed())[7], StepBatches(source, changed())[7])


def test_batches__other_seed_gives_another_order(source: Source) -> None:
    other = dataclasses.replace(recipes.cpu_smoke(), seed=1)
    assert StepBatches(source, other)[0].ids != StepBatches(source, changed())[0].ids


def test_batches__every_row_once_per_epoch_over_ranks(source: Source) -> None:
    config = changed(batch_size=4)
    ranks = [StepBatches(source, config, rank=rank, num_ranks=3) for rank in range(3)]
    for epoch in range(2):
        seen = [
            row_id for step in range(2) for rank in ranks for row_id in rank[2 * epoch + step].ids
        ]
        assert sorted(seen) == sorted(source.ids)


def test_batches__two_ranks_see_what_one_sees(source: Source) -> None:
    whole = StepBatches(source, changed(batch_size=8))[1]
    halves = [
        StepBatches(source, changed(batch_size=4), rank=rank, num_ranks=2)[1] for rank in (0, 1)
    ]
    assert whole.ids == halves[0].ids + halves[1].ids
    assert torch.equal(whole.scene, torch.cat([half.scene for half in halves]))


def test_batches__epochs_run_on_where_the_batch_does_not_divide_them(source: Source) -> None:
    batches = StepBatches(source, changed(batch_size=5))
    seen = [row_id for step in range(24) for row_id in batches[step].ids]
    for epoch in range(5):
        assert sorted(seen[24 * epoch : 24 * (epoch + 1)]) == sorted(source.ids)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_loader__starts_anywhere_with_any_number_of_workers(
    source: Source, num_workers: int
) -> None:
    config = changed(num_workers=num_workers)
    batches = training_batches(source, config, first_step=10, rank=0, num_ranks=1)
    (batch,) = next(batches)
    assert_equal(batch, StepBatches(source, changed())[9])


def test_views__person_is_the_whole_picture_where_nobody_is_found(source: Source) -> None:
    found = [source.pixels(row).person is not None for row in range(len(source.ids))]
    assert found == [row % 3 == 0 for row in range(len(source.ids))]
    batch = next(fixed_batches(source, changed(), [0, 1]))
    assert torch.equal(batch.scene[1], batch.person[1])
    assert not torch.equal(batch.scene[0], batch.person[0])


def test_fixed_batches__never_change_with_the_seed(source: Source) -> None:
    other = dataclasses.replace(recipes.cpu_smoke(), seed=9)
    pairs = (fixed_batches(source, config, range(len(source.ids))) for config in (changed(), other))
    for first, second in zip(*pairs, strict=True):
        assert_equal(first, second)


@pytest.mark.parametrize("in_memory", [True, False])
def test_broken_picture__is_skipped_with_its_id(tmp_path: Path, in_memory: bool) -> None:
    folder = write_dataset(tmp_path / "broken", broken=True)
    config = changed(in_memory=in_memory)
    source = open_source(str(folder), "train", config)
    lazy = open_source(str(folder), "train", changed(in_memory=False))
    broken = lazy.ids[BROKEN_ROW]
    batches = [StepBatches(source, config)[step] for step in range(3)]
    skipped = source.skipped + [row_id for batch in batches for row_id in batch.skipped]
    assert skipped == [broken]
    assert all(broken not in batch.ids and len(batch.ids) == 8 for batch in batches)
    assert len(source.ids) == SPLITS["train"] - in_memory


class Labelled:
    """As much of a source as an order needs."""

    def __init__(self) -> None:
        self.ids = [str(row) for row in range(24)]
        self.labels = {
            "emotion": ["awe"] * 18 + ["fear"] * 6,
            "style": ["natural", "cartoon"] * 12,
        }


def test_balance__every_emotion_as_often_rare_ones_repeated() -> None:
    order = epoch_order(np.random.default_rng(0), Labelled(), "emotion")  # type: ignore[arg-type]
    counts = Counter(order.tolist())
    assert len(order) == 24
    assert sum(counts[row] for row in range(18)) == sum(counts[row] for row in range(18, 24)) == 12
    assert {counts[row] for row in range(18, 24)} == {2}
    assert {counts[row] for row in range(18)} == {0, 1}


def test_balance__of_two_columns_counts_their_pairs() -> None:
    rng = np.random.default_rng(0)
    order = epoch_order(rng, Labelled(), "emotion+style")  # type: ignore[arg-type]
    pairs = Counter((row >= 18, row % 2) for row in order.tolist())
    assert set(pairs.values()) == {6}


def test_balance__missing_column_is_named() -> None:
    source = Labelled()
    source.labels = {}
    with pytest.raises(ValueError, match="no column 'emotion'"):
        epoch_order(np.random.default_rng(0), source, "emotion")  # type: ignore[arg-type]


def test_balance__trains_from_a_dataset(dataset_dir: Path) -> None:
    source = open_source(str(dataset_dir), "train", changed(balance="style"))
    assert set(source.labels) == {"emotion", "style", "emotion_rule"}
    batches = StepBatches(source, changed(balance="style", batch_size=5))
    rows = {row_id: row for row, row_id in enumerate(source.ids)}
    styles = Counter(
        source.labels["style"][rows[row_id]] for step in range(4) for row_id in batches[step].ids
    )
    assert max(styles.values()) - min(styles.values()) <= 3 and len(styles) == 5
