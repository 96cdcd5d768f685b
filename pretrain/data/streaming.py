"""A dataset read shard after shard, never held or indexed as a whole: `--data.streaming true`.

Ids, texts and labels come first, from one pass over those narrow columns alone. Then each process
reads its part of every epoch: the shards in a new order each time, laid end to end, cut into as
many equal parts as there are processes (so a part may begin inside a shard, and few shards do for
many processes). Rows are shuffled within windows. What a process reads next follows from the
number of rows it has read, so a resumed run needs only its step; loader processes decode and
change nothing.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor

from pretrain.config.settings import DataConfig, PretrainConfig
from pretrain.data.dataset import (
    LABELS,
    NO_TEXT,
    PEOPLE_ROWS,
    distinct,
    require_people,
    roots,
    row_labels,
    row_texts,
)

if TYPE_CHECKING:
    import datasets

logger = logging.getLogger(__name__)

READ_ROWS = 1000  # of narrow columns at once


class Record(NamedTuple):
    """An encoded row on its way to a loader process."""

    epoch: int
    row: int  # over all shards
    data: bytes | None
    people: Any


@dataclass(frozen=True, kw_only=True)
class StreamSource:
    """What is known of a streamed split before its pictures are read."""

    ids: list[str]
    texts: list[str]
    text_index: Tensor  # int64 (N,)
    labels: dict[str, list[str | None]]
    shards: list[Shard]
    skipped: tuple[str, ...] = ()

    def batches(
        self, config: PretrainConfig, *, first: int, last: int, rank: int, num_ranks: int
    ) -> Batches:
        """Encoded micro-batches number `first` to `last` (excluded) of this process."""
        return Batches(self, config, first=first, last=last, rank=rank, num_ranks=num_ranks)


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One file."""

    split: datasets.IterableDataset  # all shards of the split
    number: int  # of this one among them
    first_row: int  # over all shards
    num_rows: int
    roots: tuple[Path, ...] = ()  # where pictures that are named by path may lie

    def fresh(self) -> datasets.IterableDataset:
        """Its rows, in an object of their own: iterating leaves its place in the object."""
        return self.split.shard(num_shards=self.split.num_shards, index=self.number)


class Batches:
    """Lists of records, one per micro-batch; iterating begins anew."""

    def __init__(
        self,
        source: StreamSource,
        config: PretrainConfig,
        *,
        first: int,
        last: int,
        rank: int,
        num_ranks: int,
    ) -> None:
        self._source, self._config = source, config
        self._first, self._last, self._rank = first, last, rank
        count = len(source.ids)
        self._start = rank * count // num_ranks  # this process's part of an epoch
        self._stop = (rank + 1) * count // num_ranks
        if self._start == self._stop:
            raise ValueError(f"{count} rows are too few for {num_ranks} processes")

    def __len__(self) -> int:
        return self._last - self._first

    def __iter__(self) -> Iterator[list[Record]]:
        size = self._config.data.batch_size
        records = self._records(self._first * size)
        for _ in range(self._first, self._last):
            yield [next(records) for _ in range(size)]

    def _records(self, taken: int) -> Iterator[Record]:
        """The endless rows of this process after the first `taken`, read a window ahead."""
        windows = ahead(self._windows(taken))
        width = self._config.data.shuffle_rows
        skip = (taken % (self._stop - self._start)) % width
        for window in windows:
            yield from window[skip:]
            skip = 0

    def _windows(self, taken: int) -> Iterator[list[Record]]:
        """Shuffled windows from the one that holds row number `taken` of this process on."""
        width, seed = self._config.data.shuffle_rows, self._config.seed
        epoch, within = divmod(taken, self._stop - self._start)
        number = within // width
        while True:
            rows = self._read(epoch, self._start + number * width)
            while window := [record for _, record in zip(range(width), rows)]:
                rng = np.random.default_rng((seed, epoch, self._rank, number))
                yield [window[place] for place in rng.permutation(len(window))]
                number += 1
            epoch, number = epoch + 1, 0

    def _read(self, epoch: int, place: int) -> Iterator[Record]:
        """The rest of this process's part of an epoch, from a place in the line of shards on."""
        from emo8.core.inside import cell_bytes

        shards = self._source.shards
        rng = np.random.default_rng((self._config.seed, epoch))
        begin = 0
        for shard in (shards[number] for number in rng.permutation(len(shards))):
            end = begin + shard.num_rows
            inside = max(place, begin) - begin
            wanted = min(self._stop, end) - begin - inside
            if wanted > 0:
                rows = iter(shard.fresh().skip(inside))
                for offset, line in zip(range(wanted), rows):
                    data = cell_bytes(line["image"], *shard.roots)
                    row = shard.first_row + inside + offset
                    yield Record(epoch, row, data, line.get("people"))
            begin = end


def ahead(items: Iterator[Any]) -> Iterator[Any]:
    """The same items, the next one being made by a thread while one is used."""
    ready: queue.Queue[tuple[bool, Any]] = queue.Queue(maxsize=1)
    gone = threading.Event()

    def offer(good: bool, item: Any) -> None:
        while not gone.is_set():
            try:
                ready.put((good, item), timeout=0.2)
                return
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                offer(True, item)
                if gone.is_set():
                    return
            offer(False, None)
        except Exception as problem:  # raised where the items are used
            offer(False, problem)

    threading.Thread(target=make, daemon=True).start()
    try:
        while True:
            good, item = ready.get()
            if not good:
                if item is not None:
                    raise item
                return
            yield item
    finally:
        gone.set()


def open_stream(data: str, split: str, config: DataConfig) -> StreamSource:
    """The split of a dataset folder, Hub id or parquet file, ready to be streamed."""
    shards, ids, texts = list[Shard](), list[str](), list[str]()
    labels: dict[str, list[str | None]] = {}
    for part in split.split("+"):
        narrow, wide = _open(data, part, config)
        folders = roots(data, wide)
        for number in range(wide.num_shards):
            columns = _table(narrow.shard(num_shards=wide.num_shards, index=number))
            count = len(columns)
            first = len(ids)
            named = columns["id"] if "id" in columns.column_names else None
            ids += (
                [str(v) for v in named] if named else [f"{part}/{first + k}" for k in range(count)]
            )
            texts += row_texts(columns, config)
            for name, values in row_labels(columns).items():
                labels.setdefault(name, [None] * first).extend(values)
            shards.append(
                Shard(split=wide, number=number, first_row=first, num_rows=count, roots=folders)
            )
    if not ids:
        raise ValueError(f"--data {data}: split {split!r} has no rows")
    unique, index = distinct(texts)
    if config.text_dropout and NO_TEXT not in unique:
        unique.append(NO_TEXT)
    logger.info("streaming %d rows from %d shards", len(ids), len(shards))
    return StreamSource(ids=ids, texts=unique, text_index=index, labels=labels, shards=shards)


def _open(
    data: str, split: str, config: DataConfig
) -> tuple[datasets.IterableDataset, datasets.IterableDataset]:
    """The narrow columns of a split, and its pictures with people, left encoded."""
    import emo8.dataset.open as opendata

    found = opendata.find(data, revision=config.revision)
    wanted = opendata.choose_split(found, split)
    known = opendata.open_split(found, wanted, streaming=True).features
    if wanted == opendata.ALL and "split" in known:
        raise ValueError(
            f"--data {data}: its rows name their split themselves; read it without "
            "--data.streaming true"
        )
    narrow = [n for n in ("id", *config.text_columns, *LABELS) if n in known]
    wide = [n for n in ("image", "people") if n in known]
    if "people" in known:
        alone = opendata.open_split(found, wanted, streaming=True, columns=["people"])
        require_people(known["people"], (row["people"] for row in alone.take(PEOPLE_ROWS)))
    return (
        opendata.open_split(found, wanted, streaming=True, columns=narrow).select_columns(narrow),
        opendata.open_split(found, wanted, streaming=True, columns=wide).select_columns(wide),
    )


def _table(rows: datasets.IterableDataset) -> datasets.Dataset:
    """The rows of narrow columns, in memory."""
    import datasets
    import pyarrow as pa

    parts = list(rows.with_format("arrow").iter(batch_size=READ_ROWS))
    if not parts:
        return datasets.Dataset.from_dict({}, features=None)
    return datasets.Dataset(pa.concat_tables(parts).cast(rows.features.arrow_schema))


def is_stream(data: str, config: DataConfig) -> bool:
    """True where the data are to be streamed; a cache file is in memory anyway."""
    return config.streaming and Path(data).suffix != ".safetensors"
