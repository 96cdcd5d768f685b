"""What a run was trained on, kept beside its weights, so that a benchmark can ask.

RUN/trained_on.parquet has a line per row: its id (the SHA-256 of the bytes as received where emo8
built the dataset), and a detail hash of its pixels where they are in memory anyway. `emo8-bench`
warns, or refuses, when a test picture is among them.
"""

from __future__ import annotations

import logging
from pathlib import Path

from emo8.engine.files import appearing
from pretrain.data.cache import MemorySource
from pretrain.data.dataset import Source
from pretrain.data.streaming import StreamSource

logger = logging.getLogger(__name__)
FILE = "trained_on.parquet"


def remember(source: Source | StreamSource, out: Path) -> Path | None:
    """The file written, or the one there is; None where pyarrow is not installed (a bare GPU)."""
    path = out / FILE
    if path.is_file():
        return path
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        logger.warning("%s: pyarrow is not installed, so it is not written", path)
        return None
    table = pa.table(
        {"id": source.ids, "detail_hash": _hashes(source)},
        schema=pa.schema([("id", pa.string()), ("detail_hash", pa.binary(32))]),
    )
    with appearing(path) as partial:
        pq.write_table(table, partial, compression="zstd")
    return path


def _hashes(source: Source | StreamSource) -> list[bytes | None]:
    """Detail hashes of pixels in memory; None for each row of a source that decodes on access."""
    if not isinstance(source, MemorySource):
        return [None] * len(source.ids)
    try:
        from emo8.duplicates.fingerprints import detail_of
    except ImportError:
        return [None] * len(source.ids)
    return [bytes(detail_of(source.pixels(row).scene.numpy())) for row in range(len(source.ids))]
