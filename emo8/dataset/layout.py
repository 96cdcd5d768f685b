"""The layout of published files: where row groups end, what is compressed, how pages are cut."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from emo8.core.schema import PUBLISHED

# Rows per row group of a published shard: small enough for the Hub's viewer, which reads one row
# group at a time and refuses groups over 300 MB.
ROW_GROUP_ROWS = 100
# A row group ends where the rows themselves say so, between these sizes and at 92 rows on average:
# rows that come or go then change the groups around them and move few others.
MIN_GROUP_ROWS, MAX_GROUP_ROWS = 32, 200
MAX_GROUP_BYTES = 64_000_000  # of pictures, whatever the number of rows


def ends_row_group(id: str, num_rows: int, num_bytes: int) -> bool:
    """Whether a row group of this many rows and bytes ends behind the row called `id`."""
    if num_rows >= MAX_GROUP_ROWS or num_bytes >= MAX_GROUP_BYTES:
        return True
    return num_rows >= MIN_GROUP_ROWS and int(id[:8], 16) % 64 == 0


def parquet_options(columns: pa.Schema) -> dict[str, Any]:
    """How published shards are written.

    Pages are cut by content, so that an upload shares most chunks with the one before it, and
    indexed, so that the viewer reads single pages. Beside pictures they are small: larger ones
    would hold several pictures, and an added one would move their borders far behind it. Pictures
    are compressed already, and a second frame around them, or a dictionary of values that never
    repeat, would move with every row.
    """
    unique = {name for name, column in PUBLISHED.items() if column.unique}
    text = {name for name in columns.names if pa.types.is_string(columns.field(name).type)}
    leaves = [leaf for column in columns for leaf in _leaves(column)]
    small, large = (2, 8) if "image" in columns.names else (8, 32)
    return {
        "compression": {leaf: "none" if leaf == "image.bytes" else "zstd" for leaf in leaves},
        "use_dictionary": sorted(text - unique),
        "write_page_index": True,
        "use_content_defined_chunking": {
            "min_chunk_size": small << 10,
            "max_chunk_size": large << 10,
            "norm_level": 0,
        },
    }


def _leaves(column: pa.Field) -> list[str]:
    """Paths of a column's leaves as parquet names them."""
    if pa.types.is_struct(column.type):
        return [f"{column.name}.{leaf}" for field in column.type for leaf in _leaves(field)]
    if pa.types.is_list(column.type):
        item = pa.field("element", column.type.value_type)
        return [f"{column.name}.list.{leaf}" for leaf in _leaves(item)]
    return [column.name]
