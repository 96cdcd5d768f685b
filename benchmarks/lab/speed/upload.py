"""What a changed dataset costs to upload through xet, counted by hf_xet itself.

    python -m benchmarks.speed upload --out benchmarks/results/speed/upload.json

Two versions of a dataset are written as `emo8 build` writes them, and handed to hf_xet's own
upload, whose storage is a folder here: it cuts, compares and compresses as it does for the Hub, and
says how many bytes it would have sent. One row in a hundred is changed: labelled otherwise, added
at the end, replaced (the old one gone, another at the end), or gone. Pictures are noise, 0.6 to 1.4
times as large as named; larger ones cost less, since a chunk of xet is about 64 KiB.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lab.output import tell
from emo8.core import schema
from emo8.dataset import layout
from emo8.dataset import write as dataset
from emo8.engine.files import parquet_writer

FEATURES = schema.published_features().arrow_schema.metadata
EVERY = 100  # one row in so many is changed
ROWS_PER_SHARD = 4096
Row = dict[str, Any]


def row(number: int, kilobytes: float = 20) -> Row:
    """A published row with about so many KB of incompressible picture."""
    rng = np.random.default_rng(number)
    data = rng.bytes(int(rng.integers(int(600 * kilobytes), int(1400 * kilobytes))))
    digest = hashlib.sha256(data).hexdigest()
    record: Row = dict.fromkeys(schema.PUBLISHED)
    prob = rng.random(8).astype(np.float32)
    return record | {
        "id": digest, "image": {"bytes": data, "path": f"{digest}.jpg"}, "emotion": number % 8,
        "emotion_prob": prob.round(4).tolist(), "emotion_rule": "clip", "style": 1,
        "caption": f"picture number {number} of a long walk", "width": 640, "height": 480,
        "license": "CC0-1.0", "source": "walk", "also_from": [], "cluster": digest,
        "pixel_sha256": digest[::-1], "published_sha256": digest,
    }  # fmt: skip


def write(folder: Path, rows: Sequence[Row]) -> list[Path]:
    """The shards of rows in this order."""
    paths = []
    for shard, start in enumerate(range(0, len(rows), ROWS_PER_SHARD)):
        path = dataset.shard_path(folder, "natural", "train", shard)
        arrow = dataset._shard_schema("fingerprint", FEATURES)
        with parquet_writer(path, arrow, **layout.parquet_options(arrow)) as file:
            writer = dataset._ShardWriter(file)
            for one in rows[start : start + ROWS_PER_SHARD]:
                writer.add(one)
            writer.flush()
        paths.append(path)
    return paths


def relabelled(rows: Sequence[Row], _: Callable[[int], Row]) -> list[Row]:
    def other(one: Row) -> Row:
        return {**one, "emotion": (one["emotion"] + 1) % 8, "caption": one["caption"] + "!"}

    return [other(one) if _changes(place) else one for place, one in enumerate(rows)]


def added(rows: Sequence[Row], make: Callable[[int], Row]) -> list[Row]:
    return [*rows, *(make(10**6 + number) for number in range(len(rows) // EVERY))]


def gone(rows: Sequence[Row], _: Callable[[int], Row]) -> list[Row]:
    return [one for place, one in enumerate(rows) if not _changes(place)]


def replaced(rows: Sequence[Row], make: Callable[[int], Row]) -> list[Row]:
    return [*gone(rows, make), *added(rows, make)[len(rows) :]]


def _changes(place: int) -> bool:
    return place % EVERY == EVERY // 2


CHANGES = (relabelled, added, replaced, gone)


class Store:
    """What xet has stored in a folder; an upload says how many bytes it sent."""

    def __init__(self, folder: Path) -> None:
        import hf_xet

        folder.mkdir(parents=True)
        self._where = f"local://{folder}"
        quiet = hf_xet.XetConfig().with_config({"telemetry.enabled": False})
        self._session, self._no_hash = hf_xet.XetSession(quiet), hf_xet.SKIP_SHA256

    def upload(self, paths: Iterable[Path]) -> tuple[int, int]:
        """Bytes that were sent, and bytes of all files."""
        commit = self._session.new_upload_commit(endpoint=self._where)
        for path in paths:
            commit.start_upload_file(str(path), sha256=self._no_hash)
        counted = commit.wait_to_finish().dedup_metrics
        return counted.total_bytes_uploaded, counted.total_bytes


def share(change: Callable[..., list[Row]], kilobytes: float, megabytes: int, work: Path) -> float:
    """Which part of a changed dataset is sent again."""

    def make(number: int) -> Row:
        return row(number, kilobytes)

    rows = [make(number) for number in range(int(1000 * megabytes / kilobytes))]
    store = Store(work / "store")
    store.upload(write(work / "before", rows))
    sent, total = store.upload(write(work / "after", change(rows, make)))
    return sent / total


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kilobytes", type=int, nargs="+", default=[20, 40, 80, 160])
    parser.add_argument("--megabytes", type=int, default=60, help="of each dataset")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    shares: dict[str, dict[str, float]] = {}
    for kilobytes in arguments.kilobytes:
        found = shares.setdefault(str(kilobytes), {})
        for change in CHANGES:
            with tempfile.TemporaryDirectory() as work:
                sent = share(change, kilobytes, arguments.megabytes, Path(work))
            found[change.__name__] = round(sent, 4)
    packages = ("hf_xet", "pyarrow", "huggingface_hub")
    found = {"megabytes": arguments.megabytes, "changed": 1 / EVERY, "sent": shares}
    tell({**found, "versions": {name: version(name) for name in packages}}, arguments.out)


if __name__ == "__main__":
    main()
