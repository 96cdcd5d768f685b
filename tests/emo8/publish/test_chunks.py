"""How many bytes a grown dataset costs to upload by content-defined chunks, counted offline.

The chunker follows xet's published parameters (chunks of 8 to 128 KiB, 64 KiB on average, cut where
a gear hash of the last 64 bytes has 16 zero bits); its gear table is our own, which changes where
it cuts but not how often.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emo8.core import schema
from emo8.dataset import write as dataset
from emo8.engine.files import parquet_writer
from emo8.pipeline.run import build
from emo8.publish.send import to_folder
from tests.conftest import encoded, write_recipe
from tests.emo8.publish.rows import FEATURES, row

MIN_CHUNK, MAX_CHUNK = 8 << 10, 128 << 10
MASK = np.uint64(0xFFFF << 48)
GEAR = np.random.default_rng(1).integers(0, 2**64, 256, dtype=np.uint64)


def cut_points(data: np.ndarray) -> np.ndarray:
    """Offsets behind which the gear hash of the last 64 bytes of (N,) uint8 has 16 zero bits.

    Source: Xia et al. (2016), "FastCDC"; the window sum is built by doubling.
    """
    found = []
    for start in range(0, len(data), 1 << 22):
        first = max(0, start - 64)
        window = GEAR[data[first : start + (1 << 22)]]
        for span in (1, 2, 4, 8, 16, 32):
            shifted = np.zeros_like(window)
            shifted[span:] = window[:-span] << np.uint64(span)
            window = window + shifted
        hits = np.flatnonzero((window & MASK) == 0) + first + 1
        found.append(hits[hits > start])
    return np.concatenate(found)


def chunks(data: bytes) -> Iterator[tuple[str, int]]:
    """(hash, size) of each chunk."""
    points, start = cut_points(np.frombuffer(data, np.uint8)), 0
    while start < len(data):
        place = np.searchsorted(points, start + MIN_CHUNK)
        end = int(points[place]) if place < len(points) else len(data)
        end = min(end, start + MAX_CHUNK, len(data))
        yield hashlib.sha256(data[start:end]).hexdigest(), end - start
        start = end


def write(folder: Path, numbers: list[int], rows_per_shard: int = 1000) -> dict[str, int]:
    """Chunks (hash -> size) of the shards that hold these rows in this order."""
    found: dict[str, int] = {}
    for shard, start in enumerate(range(0, len(numbers), rows_per_shard)):
        path = dataset.shard_path(folder, "natural", "train", shard)
        arrow = dataset._shard_schema("fingerprint", FEATURES)
        with parquet_writer(path, arrow, **schema.parquet_options(arrow)) as file:
            writer = dataset._ShardWriter(file)
            for number in numbers[start : start + rows_per_shard]:
                writer.add(row(number))
            writer.flush()
        found.update(chunks(path.read_bytes()))
    return found


def test_chunks__one_percent_more_rows_are_at_most_five_percent_new_bytes(tmp_path: Path) -> None:
    old, added = list(range(1200)), list(range(5000, 5012))
    before, after = write(tmp_path / "a", old), write(tmp_path / "b", [*old, *added])
    fresh = sum(size for key, size in after.items() if key not in before)
    share = fresh / sum(after.values())
    assert 0.005 < share <= 0.05


def test_chunks__pages_fall_into_step_behind_rows_added_in_the_middle(tmp_path: Path) -> None:
    old, added = list(range(1200)), list(range(5000, 5012))
    grown = [*old[:600], *added, *old[600:]]
    before, after = write(tmp_path / "a", old), write(tmp_path / "b", grown)
    fresh = sum(size for key, size in after.items() if key not in before)
    assert fresh / sum(after.values()) < 0.07  # one shard passes 12 rows on to the next one


def released_chunks(build_dir: Path, folder: Path) -> dict[str, int]:
    """Chunks of everything a release uploads."""
    to_folder(build_dir, folder)
    found: dict[str, int] = {}
    for path in folder.rglob("*.*"):
        if path.is_file():
            found.update(chunks(path.read_bytes()))
    return found


@pytest.mark.slow
def test_release__one_percent_more_rows_all_over_a_folder_are_at_most_five_percent_new_bytes(
    tmp_path: Path,
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)

    def add(name: str) -> None:
        noise = Image.fromarray(rng.integers(0, 256, (96, 128, 3), np.uint8))
        data = encoded(noise.resize((320, 240)), quality=85)
        (pictures / f"{name}.jpg").write_bytes(data)

    for number in range(500):
        add(f"{number:03d}")
    recipe = write_recipe(
        tmp_path,
        f'[[source]]\nkind = "folder"\npath = "{pictures}"\nstyle = "natural"\n'
        'license = "CC0-1.0"\n[splits]\ntrain = 1.0\nval = 0.0\ntest = 0.0',
    )
    build(recipe, tmp_path / "BUILD", workers=2)
    before = released_chunks(tmp_path / "BUILD", tmp_path / "first")
    for number in range(50, 500, 100):
        add(f"{number:03d}-new")
    build(recipe, tmp_path / "BUILD", workers=2)
    after = released_chunks(tmp_path / "BUILD", tmp_path / "second")
    fresh = sum(size for key, size in after.items() if key not in before)
    share = fresh / sum(after.values())
    assert 0.01 < share <= 0.05


def test_chunks__are_stable_under_a_shift() -> None:
    data = np.random.default_rng(3).bytes(2_000_000)
    before, after = dict(chunks(data)), dict(chunks(b"prefix" + data))
    shared = sum(size for key, size in after.items() if key in before)
    assert shared > 0.9 * len(data)
    assert 40_000 < np.mean(list(before.values())) < 100_000
