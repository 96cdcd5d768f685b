"""Row groups are small enough for the Hub's viewer: at most 200 rows, or 64 MB of pictures."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.lab.speed.upload import FEATURES, row
from emo8.dataset import layout
from emo8.dataset import write as dataset
from emo8.engine.files import parquet_writer
from emo8.publish.release import write_labels

MB = 1_000_000


def groups(path: Path) -> list[int]:
    """Rows in each row group of a file."""
    metadata = pq.read_metadata(path)
    return [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)]


def write(root: Path, count: int, num_bytes: int) -> Path:
    """A shard of `count` rows, none of whose ids ends a row group early."""
    path = dataset.shard_path(root, "natural", "train", 0)
    arrow = dataset._shard_schema("fingerprint", FEATURES)
    with parquet_writer(path, arrow, **layout.parquet_options(arrow)) as file:
        writer = dataset._ShardWriter(file)
        for number in range(count):
            image = {"bytes": bytes(num_bytes), "path": None}
            writer.add({**row(number), "id": f"{number:07x}1", "image": image})
        writer.flush()
    return path


@pytest.mark.parametrize(("count", "num_bytes", "most"), [(1000, 1, 200), (70, MB, 64)])
def test_row_groups__of_shards_and_of_the_rows_without_pictures(
    tmp_path: Path, count: int, num_bytes: int, most: int
) -> None:
    path = write(tmp_path, count, num_bytes)
    assert max(groups(path)) == most and sum(groups(path)) == count
    write_labels(tmp_path / "dataset")
    assert groups(tmp_path / "dataset" / "labels" / "train-00000.parquet") == groups(path)
