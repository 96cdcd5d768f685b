"""The rows of a dataset: one of ours (a folder or on the Hub), or whatever holds pictures."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from emo8.browse.rows import (
    BATCH_ROWS,
    DETAILS,
    NESTED,
    NUMBERS,
    SHORT,
    TEXTS,
    Rows,
    dataset_name,
    with_interest,
)
from emo8.core import label_set, schema
from emo8.core.errors import SourceError
from emo8.core.inside import plain_files
from emo8.dataset import open as opendata
from emo8.dataset.shards import labels_of, list_shards
from emo8.engine.files import appearing

BATCH_PICTURES = 64
CLIP = "embedded"  # a dataset brings no embeddings; this model needs no network


def read(data: str) -> Rows:
    """The rows of a dataset folder, a Hub id, a parquet file or a folder of pictures."""
    title = opendata.short_name(data)
    root = Path(data)
    if not root.exists():
        root = _download(data)
    if _is_ours(root):  # it may have come from the Hub: nobody knew its labels before
        label_set.work_with(labels_of(root))
    reader: _Shards | _ShardPictures
    table, reader = _of_shards(root) if _is_ours(root) else _of_pictures(str(root))
    table["num_votes"] = pd.to_numeric(table["num_votes"]).fillna(0).astype(int)
    table["picture_key"] = table["sha256"]
    table = with_interest(table)
    table["assigned"] = [[] for _ in range(len(table))]
    table["ballots"] = [[] for _ in range(len(table))]
    name = dataset_name(title, Path(data) if Path(data).exists() else data)
    folder = cache_folder() / name
    notes = [f"{data} is a dataset: look and tag as you like, but votes go into builds only"]
    return Rows(
        name=name,
        title=title,
        media=folder / "pictures",
        table=table,
        reader=_Embedding(reader, folder / f"vectors-{CLIP}.npz"),
        notes=notes,
    )


def cache_folder() -> Path:
    """Where files made for the App are kept: EMO8_CACHE/browse, or the user's cache folder."""
    root = os.environ.get("EMO8_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "emo8") / "browse"


def _download(data: str) -> Path:
    """A local copy of a dataset on the Hub; SourceError where there is none."""
    if data.count("/") != 1 or data.startswith((".", "/", "~")):
        raise SourceError(f"{data}: no such build, file or folder, and not a Hub id (user/name)")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(data, repo_type="dataset"))
    except Exception as error:  # clients raise anything from OSError to their own kinds
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SourceError(f"{data} could not be read from the Hub: {cause}") from error


def _is_ours(root: Path) -> bool:
    """Whether a folder holds shards with the columns of `schema.PUBLISHED`."""
    shards = plain_files(root, "data/*/*.parquet") if root.is_dir() else []
    return bool(shards) and set(schema.PUBLISHED) <= set(pq.read_schema(shards[0]).names)


def _of_shards(root: Path) -> tuple[pd.DataFrame, _Shards]:
    columns = ["published_sha256", *(name for name in schema.PUBLISHED if name in SHORT)]
    frames, labels = [], labels_of(root)
    for shard in list_shards(root):
        frame = pq.read_table(root / shard.name, columns=columns).to_pandas()
        frames.append(
            frame.assign(
                split=shard.split,
                shard=shard.name,
                row=range(len(frame)),
                sha256=frame["published_sha256"],
                emotion=_named(frame["emotion"], labels.emotions),
                style=_named(frame["style"], labels.styles),
                source_path=frame["source_url"],
            )
        )
    return _complete(pd.concat(frames, ignore_index=True)), _Shards(root)


def _named(numbers: pd.Series, names: tuple[str, ...]) -> pd.Series:
    return numbers.map(dict(enumerate(names))).astype(object).where(numbers.notna(), None)


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every column a table must have."""
    for name in (*TEXTS, *NESTED, "leak_of"):
        if name not in table:
            table[name] = pd.Series([None] * len(table), table.index, dtype=object)
    for name in (*NUMBERS, "num_votes"):
        if name not in table:
            table[name] = np.nan
    return table


@dataclass(frozen=True)
class _Shards:
    """Details and pictures of our own shards, one row group at a time."""

    root: Path

    def details(self, chosen: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
        for shard, own in chosen.groupby("shard", sort=False):
            table = pq.read_table(self.root / str(shard), columns=list(DETAILS))
            for start in range(0, len(own), BATCH_ROWS):
                yield table.take(own["row"].to_numpy()[start : start + BATCH_ROWS]).to_pylist()

    def pictures(self, chosen: pd.DataFrame) -> Iterator[tuple[int, bytes | None]]:
        place = 0
        for shard, own in chosen.groupby("shard", sort=False):
            wanted = dict(zip(own["row"].tolist(), own["sha256"].tolist(), strict=True))
            with pq.ParquetFile(self.root / str(shard)) as file:
                first = 0
                for group in range(file.metadata.num_row_groups):
                    last = first + file.metadata.row_group(group).num_rows
                    inside = [row for row in wanted if first <= row < last]
                    if inside:
                        images = file.read_row_group(group, columns=["image"]).column("image")
                        for row in inside:
                            image = images[row - first].as_py()
                            yield place, _own(image, wanted[row])
                            place += 1
                    first = last

    def vectors(self, chosen: pd.DataFrame) -> np.ndarray:
        return np.zeros((len(chosen), 0), np.float32)


def _own(image: dict[str, Any] | None, sha256: str | None) -> bytes | None:
    """The bytes of a row's picture; None where there are none, or others than the row says."""
    data: bytes | None = image["bytes"] if image else None
    return data if data is not None and hashlib.sha256(data).hexdigest() == sha256 else None


def _of_pictures(data: str) -> tuple[pd.DataFrame, _ShardPictures]:
    """Somebody's dataset: labels are the source's claims, in our names where they are ours."""
    lines = []
    for number, picture in enumerate(opendata.read(data)):
        lines.append(
            {
                "id": picture.id,
                "number": number,
                "sha256": hashlib.sha256(picture.data or b"").hexdigest(),
                "emotion": _spelled(picture.label, label_set.parse_emotion),
                "emotion_rule": "source" if picture.label else None,
                "emotion_source": picture.label,
                "style": _spelled(picture.style, label_set.parse_style),
                "split": picture.split,
                "source": opendata.short_name(data),
                "source_path": picture.id,
            }
        )
    return _complete(pd.DataFrame(lines)), _ShardPictures(data)


def _spelled(name: str | None, parse: Any) -> str | None:
    try:
        return str(parse(name)) if name else None
    except ValueError:
        return name


@dataclass(frozen=True)
class _ShardPictures:
    """Pictures of a dataset that can only be read from its beginning."""

    data: str

    def details(self, chosen: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
        for start in range(0, len(chosen), BATCH_ROWS):
            yield [{} for _ in range(len(chosen[start : start + BATCH_ROWS]))]

    def pictures(self, chosen: pd.DataFrame) -> Iterator[tuple[int, bytes | None]]:
        wanted = {number: place for place, number in enumerate(chosen["number"].tolist())}
        for number, picture in enumerate(opendata.read(self.data)):
            if number in wanted:
                yield wanted[number], picture.data

    def vectors(self, chosen: pd.DataFrame) -> np.ndarray:
        return np.zeros((len(chosen), 0), np.float32)


@dataclass(frozen=True)
class _Embedding:
    """A reader that embeds its pictures with the embedded CLIP, and remembers the vectors."""

    inner: _Shards | _ShardPictures
    file: Path

    def details(self, chosen: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
        return self.inner.details(chosen)

    def pictures(self, chosen: pd.DataFrame) -> Iterator[tuple[int, bytes | None]]:
        return self.inner.pictures(chosen)

    def vectors(self, chosen: pd.DataFrame) -> np.ndarray:
        from emo8.labels.clip.encoder import load

        known, hashes = self._known(), chosen["sha256"].tolist()
        new = [place for place, key in enumerate(hashes) if key not in known]
        encoder = load(CLIP)
        for batch in _batches(self.inner.pictures(chosen.iloc[new])):
            found = encoder.embed_images([rgb for _, rgb in batch])
            known.update((hashes[new[place]], vector) for (place, _), vector in zip(batch, found))
        if new and known:
            self._remember(known)
        none = np.zeros(encoder.dim, np.float32)
        return np.stack([np.asarray(known.get(key, none), np.float32) for key in hashes])

    def _known(self) -> dict[str, np.ndarray]:
        if not self.file.exists():
            return {}
        with np.load(self.file, allow_pickle=False) as file:
            return dict(zip(file["sha256"].tolist(), file["vectors"]))

    def _remember(self, known: dict[str, np.ndarray]) -> None:
        keys, vectors = np.array(list(known)), np.stack(list(known.values())).astype(np.float16)
        with appearing(self.file, durable=False) as partial, partial.open("wb") as file:
            np.savez(file, sha256=keys, vectors=vectors)


def _batches(
    pictures: Iterator[tuple[int, bytes | None]],
) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Pixels with their places, a batch at a time; what does not decode is left out."""
    batch = []
    for place, data in pictures:
        rgb = _pixels(data)
        if rgb is not None:
            batch.append((place, rgb))
        if len(batch) == BATCH_PICTURES:
            yield batch
            batch = []
    if batch:
        yield batch


def _pixels(data: bytes | None) -> np.ndarray | None:
    from emo8.core.images import DecodeError, decode

    try:
        return decode(data).rgb if data else None
    except DecodeError:
        return None
