"""Features of every row of a dataset, as a parquet file of `id, feature`."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from pretrain.checkpoint import Encoder, load_encoder, random_encoder
from pretrain.data import (
    UnreadableImageError,
    decode,
    image_bytes,
    open_dataset,
    row_ids,
    split_names,
)

logger = logging.getLogger(__name__)

CHUNK_ROWS = 256


def open_encoder(name: str) -> Encoder:
    """The encoder of a RUN, or of `random:RECIPE` before any training."""
    if name.startswith("random:"):
        return random_encoder(name.removeprefix("random:"), seed=0)
    return load_encoder(name)


def embed(encoder: Encoder, data: str, out: Path, *, split: str | None = None) -> tuple[int, int]:
    """Rows written to `out`, and rows skipped because they do not decode; all splits by default."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("id", pa.string()), ("feature", pa.list_(pa.float32()))])
    out.parent.mkdir(parents=True, exist_ok=True)
    half_written = out.with_name(out.name + ".tmp")
    written = skipped = 0
    with pq.ParquetWriter(half_written, schema) as writer:
        for name in [split] if split else split_names(data):
            dataset = open_dataset(data, name)
            ids = row_ids(dataset)
            for start in range(0, len(ids), CHUNK_ROWS):
                kept, images = [], []
                stop = min(start + CHUNK_ROWS, len(ids))
                for row in range(start, stop):
                    try:
                        pixels = decode(image_bytes(dataset[row]["image"]))
                    except UnreadableImageError as problem:
                        logger.warning("skipped row %s: %s", ids[row], problem)
                        skipped += 1
                        continue
                    kept.append(ids[row])
                    images.append(pixels.numpy())
                features = encoder.features(images)
                writer.write_table(
                    pa.table({"id": kept, "feature": list(features.astype(np.float32))}, schema)
                )
                written += len(kept)
    half_written.replace(out)
    return written, skipped
