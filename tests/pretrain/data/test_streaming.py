"""A streamed split: every row once per epoch, the same order after a resume, few shards too."""

import dataclasses
import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pytest

from emo8.core.schema import published_features
from pretrain.cli import main
from pretrain.config import recipes
from pretrain.config.settings import PretrainConfig
from pretrain.data import streaming
from pretrain.data.batches import training_batches
from pretrain.data.dataset import NO_TEXT, DatasetSource, open_dataset
from pretrain.data.streaming import StreamSource, open_stream
from tests.pretrain.conftest import CARD, published_row
from tests.pretrain.train.test_loop import untimed

SHARDS = (7, 3, 11)
ROWS = sum(SHARDS)


def write_shards(folder: Path, *, broken: int | None = None) -> Path:
    """A dataset folder whose training split has three files of different length."""
    (folder / "data").mkdir(parents=True)
    seeds = itertools.count()
    for number, count in enumerate(SHARDS):
        rows = [published_row(next(seeds)) for _ in range(count)]
        for row in rows:
            if broken is not None and row["caption"] == f"blobs {broken}":
                row["image"] = {"bytes": b"\xff\xd8 broken", "path": None}
        made = datasets.Dataset.from_list(rows, features=published_features())
        made.to_parquet(folder / "data" / f"train-{number:05d}-of-{len(SHARDS):05d}.parquet")
    for split in ("val", "test"):
        made = datasets.Dataset.from_list([published_row(99)], features=published_features())
        made.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    (folder / "README.md").write_text(CARD)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("sharded") / "dataset")


@pytest.fixture(scope="module")
def source(folder: Path) -> StreamSource:
    return open_stream(str(folder), "train", streamed().data)


def streamed(steps: int = 12, **data: Any) -> PretrainConfig:
    recipe = dataclasses.replace(recipes.cpu_smoke(), steps=steps)
    wanted = {"in_memory": False, "streaming": True, "shuffle_rows": 4, "batch_size": 3, **data}
    return dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, **wanted))


def rows_of(
    source: StreamSource, config: PretrainConfig, rank: int, ranks: int, first: int = 1
) -> list[tuple[int, int]]:
    """(epoch, row) in the order in which a process meets them."""
    batches = source.batches(config, first=first - 1, last=config.steps, rank=rank, num_ranks=ranks)
    return [(record.epoch, record.row) for batch in batches for record in batch]


def test_open_stream__knows_ids_texts_and_labels_like_the_dataset(
    folder: Path, source: StreamSource
) -> None:
    config = streamed()
    whole = DatasetSource(open_dataset(str(folder), "train"), config.data, config.views)
    assert source.ids == whole.ids and source.labels == whole.labels
    texts = [[s.texts[int(i)] for i in s.text_index] for s in (source, whole)]
    assert texts[0] == texts[1] and len(texts[0]) == ROWS
    assert [shard.num_rows for shard in source.shards] == list(SHARDS)


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_stream__every_row_once_per_epoch_over_ranks(source: StreamSource, ranks: int) -> None:
    config = streamed(steps=3 * ROWS)  # three rows each: more than three epochs
    seen = Counter(place for rank in range(ranks) for place in rows_of(source, config, rank, ranks))
    for epoch in range(3):
        assert [seen[epoch, row] for row in range(ROWS)] == [1] * ROWS
    counts = [len(rows_of(source, config, rank, ranks)) for rank in range(ranks)]
    assert set(counts) == {3 * config.steps}


def test_stream__order_is_shuffled_and_changes_with_epoch_and_seed(source: StreamSource) -> None:
    config = streamed(steps=14)
    found = rows_of(source, config, 0, 1)
    first, second = ([row for epoch, row in found if epoch == e] for e in (0, 1))
    assert sorted(first) == sorted(second) == list(range(ROWS))
    assert first != second and first != sorted(first)
    assert rows_of(source, dataclasses.replace(config, seed=3), 0, 1) != found


def test_stream__is_shuffled_within_its_windows_only(source: StreamSource) -> None:
    config = streamed(steps=7, shuffle_rows=1)
    in_order = [row for _, row in rows_of(source, config, 0, 1)]
    runs = [list(range(first, first + count)) for first, count in ((0, 7), (7, 3), (10, 11))]
    assert in_order in [list(itertools.chain(*order)) for order in itertools.permutations(runs)]


@pytest.mark.parametrize(("rank", "ranks"), [(0, 1), (1, 2), (4, 5)])
def test_stream__order_after_resume_is_the_order_without(
    source: StreamSource, rank: int, ranks: int
) -> None:
    config = streamed(steps=20)
    whole = rows_of(source, config, rank, ranks)
    for first in (2, 5, 8, 19):
        assert rows_of(source, config, rank, ranks, first) == whole[3 * (first - 1) :]


@pytest.mark.parametrize("workers", [0, 2])
def test_loader__workers_change_nothing(source: StreamSource, workers: int) -> None:
    config = streamed(steps=6, num_workers=workers)
    ids = [
        row_id
        for (batch,) in training_batches(source, config, first_step=3, rank=0, num_ranks=1)
        for row_id in batch.ids
    ]
    assert ids == [source.ids[row] for _, row in rows_of(source, config, 0, 1, 3)]


def test_corrupt__is_skipped_with_its_id_and_the_next_takes_its_place(tmp_path: Path) -> None:
    source = open_stream(str(write_shards(tmp_path / "data", broken=8)), "train", streamed().data)
    batches = training_batches(source, streamed(steps=7), first_step=1, rank=0, num_ranks=1)
    found = [batch for (batch,) in batches]
    assert [row_id for batch in found for row_id in batch.skipped] == [source.ids[8]]
    assert all(len(batch.ids) == 3 and source.ids[8] not in batch.ids for batch in found)


def test_text_dropout__has_its_text(folder: Path) -> None:
    source = open_stream(str(folder), "train", streamed(text_dropout=0.5).data)
    assert NO_TEXT in source.texts


def test_ahead__hands_on_what_goes_wrong() -> None:
    def fails() -> Any:
        yield 1
        raise OSError("gone")

    found = streaming.ahead(fails())
    assert next(found) == 1
    with pytest.raises(OSError, match="gone"):
        next(found)


def test_run__streams_and_resumes_in_order(folder: Path, tmp_path: Path, teacher_name: str) -> None:
    arguments = ["pretrain", "cpu_smoke", "--data", str(folder), "--teacher.name", teacher_name]
    arguments += ["--data.in_memory", "false", "--data.streaming", "true", "--data.shuffle_rows"]
    arguments += ["5", "--optim.schedule", "constant", "--optim.warmup_steps", "1"]
    arguments += ["--optim.cooldown_share", "0.001", "--data.batch_size", "4"]
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert main([*arguments, "--out", str(straight), "--steps", "8"]) == 0
    for steps in ("2", "8"):
        assert main([*arguments, "--out", str(stopped), "--steps", steps]) == 0
    rows = [[line["rows"] for line in untimed(run)] for run in (straight, stopped)]
    assert rows[0] == rows[1] and len(set(rows[0])) == 8


def test_streaming__does_not_go_with_balance() -> None:
    with pytest.raises(ValueError, match=r"data.streaming reads rows in the order"):
        streamed(balance="emotion")
