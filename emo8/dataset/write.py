"""`BUILD/dataset`: what `load_dataset` reads. Kept rows as parquet, one file per style and split.

A shard holds the rows of a fixed group of parts (`row_order.py`), so a change rewrites only the
shards it touches. Each shard carries the fingerprint of its rows; a shard whose fingerprint
matches stays as it is.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emo8.core import label_set, schema
from emo8.core.errors import DamagedError
from emo8.core.images import decode
from emo8.dataset import layout
from emo8.dataset.blur import blur
from emo8.dataset.published_picture import encode, publishable, suffix
from emo8.dataset.reuse import MAKING_KEY, KnownPictures, making
from emo8.dataset.shards import content_fingerprint
from emo8.engine.database import parquet, reading
from emo8.engine.files import (
    FINGERPRINT_KEY,
    doubt,
    fingerprint,
    parquet_writer,
    read_columns,
    read_fingerprint,
    read_group,
)
from emo8.engine.live import ticked
from emo8.engine.steps import ROWS, part_path
from emo8.engine.verdict_table import VERDICTS
from emo8.labels.describe import with_emotion

VERSION = 7
_FROM_PARTS = schema.by_table()
_FROM_VERDICT = ("part", "row", "rank", "split", *_FROM_PARTS.pop("verdicts"))
_FROM_PARTS["measure"] += ("format", "plain")  # what else decides how a picture is published


def shard_path(build: Path, style: str, split: str, group: int) -> Path:
    return build / "dataset" / "data" / style / f"{split}-{group:05d}.parquet"


def plan_shards(
    build: Path,
    max_pixels: int,
    *,
    blur_faces: bool = False,
    damaged: Collection[Path] = (),
) -> list[ShardTask]:
    """One task per group of rows; shards that are `damaged` are written anew."""
    features = schema.published_metadata(label_set.current())  # here once, not in every worker
    return [
        ShardTask(
            build=build,
            part=group,
            num_rows=num_rows,
            max_pixels=max_pixels,
            blur_faces=blur_faces,
            features=features,
            damaged=frozenset(damaged),
        )
        for group, num_rows in _kept(build, "shard, count(*)", "GROUP BY shard")
    ]


def remove_surplus(build: Path) -> None:
    """Remove shards without rows; until the others are written, pictures come from there."""
    columns = f"DISTINCT coalesce(style, '{label_set.NO_STYLE}') AS folder, split, shard"
    expected = {shard_path(build, *shard) for shard in _kept(build, columns)}
    for path in (build / "dataset" / "data").glob("*/*.parquet"):
        if path not in expected:
            path.unlink()


def _kept(build: Path, columns: str, grouped: str = "") -> list[tuple[Any, ...]]:
    """Columns of the verdicts on rows that stay, in order."""
    with reading(build) as db:
        rows = f"{parquet(build / VERDICTS)} WHERE reason IS NULL"
        return db.lines(f"SELECT {columns} FROM {rows} {grouped} ORDER BY ALL")


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """Write the stale shards of one group of rows: a unit of work for an engine."""

    build: Path
    part: int  # number of the group
    num_rows: int
    max_pixels: int
    blur_faces: bool
    features: dict[bytes, bytes]  # metadata by which `datasets` knows the columns
    damaged: frozenset[Path] = frozenset()  # shards that are not as they were written
    table: str = "dataset"
    fingerprint: str = ""

    def setup(self) -> None:
        return None

    def run(self, state: Any) -> int:
        """Write what changed; the number of rows written comes back."""
        records = self._records()
        shards = defaultdict(list)
        for record in records:
            shards[record["style"] or label_set.NO_STYLE, record["split"]].append(record)
        stale = {}
        for (style, split), members in shards.items():
            path = shard_path(self.build, style, split, self.part)
            rows = [_without_part(record) for record in members]
            content = fingerprint(VERSION, self.blur_faces, rows, *label_set.current().stamp())
            if read_fingerprint(path) != content or path in self.damaged:
                stale[style, split] = (path, content, members)
        self._write(stale)
        return sum(len(members) for _, _, members in stale.values())

    def _records(self) -> list[dict[str, Any]]:
        """All published columns but the picture, one dictionary per kept row, in order."""
        records = []
        rows = pq.read_table(
            self.build / VERDICTS,
            columns=list(_FROM_VERDICT),
            filters=(pc.field("shard") == self.part) & pc.field("reason").is_null(),
        )
        for part in sorted(pc.unique(rows["part"]).to_pylist()):
            verdicts = rows.filter(pc.equal(rows["part"], part))
            columns: dict[str, list[Any]] = {}
            for table, names in _FROM_PARTS.items():
                piece = read_columns(part_path(self.build, table, part), list(names))
                piece = piece.take(verdicts["row"])
                columns.update({name: piece.column(name).to_pylist() for name in names})
            own = verdicts.to_pylist()
            for number, verdict in enumerate(own):
                values = {name: column[number] for name, column in columns.items()}
                records.append({**values, **{key: _value(verdict[key]) for key in _FROM_VERDICT}})
        return sorted(records, key=lambda record: record["rank"])

    def _write(self, stale: dict[tuple[str, str], tuple[Path, str, list[dict[str, Any]]]]) -> None:
        """Hand every row to its shard's writer, in order; a part is read only if it must be."""
        writers: dict[tuple[str, str], _ShardWriter] = {}
        old = (self.build / "dataset" / "data").glob(f"*/*-{self.part:05d}.parquet")
        # blurred pictures are made anew: the boxes they were blurred by may have changed
        known = KnownPictures(old if stale and not self.blur_faces else ())
        received, rows = _Received(self.build), []
        with ExitStack() as files:
            for key, (path, content, members) in stale.items():
                arrow = _shard_schema(content, self.features)
                options = layout.parquet_options(arrow)
                writer = files.enter_context(parquet_writer(path, arrow, **options))
                writers[key] = _ShardWriter(writer)
                rows += [(record["rank"], key, record) for record in members]
            for _, key, record in ticked(sorted(rows, key=lambda row: row[0])):
                clean, blurred = known.get(record["id"]), None
                if clean is None:
                    data = received.read(record["part"], record["row"], record["id"])
                    clean, blurred = self._encoded(record, data)
                writers[key].add(_published(record, clean, blurred))
            for shard in writers.values():
                shard.flush()

    def _encoded(self, record: dict[str, Any], data: bytes) -> tuple[bytes, int | None]:
        """The bytes to publish for a picture as received, and how many faces were blurred."""
        if self.blur_faces:
            picture = decode(data, max_pixels=self.max_pixels)
            rgb, count = blur(picture.rgb, record["people"])
            if count:
                return encode(rgb, data), count
        clean = publishable(data, plain=record["plain"], max_pixels=self.max_pixels)
        return clean, 0 if self.blur_faces else None


def _value(value: Any) -> Any:
    """A value of the verdicts; pandas says NaN where there is none."""
    return None if isinstance(value, float) and value != value else value


def _without_part(record: dict[str, Any]) -> dict[str, Any]:
    """What decides the bytes of a row: not where it stands among the inputs."""
    return {key: value for key, value in record.items() if key not in ("part", "row", "rank")}


class _Received:
    """Pictures as received, from the two row groups read last: rows come nearly in order."""

    def __init__(self, build: Path) -> None:
        self.build = build
        self.groups: list[tuple[int, int, pa.ChunkedArray]] = []  # part, first row, pictures

    def read(self, part: int, row: int, id: str) -> bytes:
        """The bytes of a row; DamagedError where they are not those that its id names."""
        first, pictures = self._group(part, row)
        data = bytes(pictures[row - first]["bytes"].as_py())
        if hashlib.sha256(data).hexdigest() != id:
            doubt(part_path(self.build, ROWS, part))
            raise DamagedError(
                f"{part_path(self.build, ROWS, part)} row {row} is not the picture {id[:12]}: "
                "run `emo8 build` again, which reads it anew from its source"
            )
        return data

    def _group(self, part: int, row: int) -> tuple[int, pa.ChunkedArray]:
        for its_part, first, pictures in self.groups:
            if part == its_part and first <= row < first + len(pictures):
                return first, pictures
        first, table = read_group(part_path(self.build, ROWS, part), ["image"], row)
        self.groups = [*self.groups[-1:], (part, first, table.column("image"))]
        return first, table.column("image")


def _published(record: dict[str, Any], clean: bytes, blurred: int | None) -> dict[str, Any]:
    """One published row: the record, its numbers for names, and the picture's clean bytes."""
    name = f"{record['id']}.{suffix(clean)}"
    emotion, style, description = record["emotion"], record["style"], record["description"]
    raw = [round(value, schema.PUBLISHED_DECIMALS) for value in record["emotion_raw_prob"]]
    return {
        **{key: value for key, value in record.items() if key in schema.PUBLISHED},
        "image": {"bytes": clean, "path": name},
        "faces_blurred": blurred,
        "emotion_raw_prob": raw,
        "emotion": None if emotion is None else label_set.emotions().index(emotion),
        "description_with_emotion": description
        if description is None or emotion is None
        else with_emotion(description, emotion),
        "style": None if style is None else label_set.styles().index(style),
        "published_sha256": hashlib.sha256(clean).hexdigest(),
    }


class _ShardWriter:
    """Rows of one parquet file in the making: full row groups go to disk."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self.writer = writer
        self.waiting: list[dict[str, Any]] = []
        self.waiting_bytes = 0

    def add(self, record: dict[str, Any]) -> None:
        size = len(record["image"]["bytes"])
        if self.waiting and self.waiting_bytes + size > layout.MAX_GROUP_BYTES:
            self.flush()
        self.waiting.append(record)
        self.waiting_bytes += size
        if layout.ends_row_group(record["id"], len(self.waiting), self.waiting_bytes):
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait as a row group."""
        if self.waiting:
            self.writer.write_table(pa.Table.from_pylist(self.waiting, schema=self.writer.schema))
        self.waiting, self.waiting_bytes = [], 0


def _shard_schema(content: str, features: dict[bytes, bytes]) -> pa.Schema:
    marks = {FINGERPRINT_KEY: content.encode(), MAKING_KEY: making().encode()}
    return schema.published_schema().with_metadata({**features, **marks})


def dataset_fingerprint(build: Path) -> str:
    """Hash of the shards' fingerprints: equal exactly when the published rows are equal."""
    return content_fingerprint(build / "dataset")
