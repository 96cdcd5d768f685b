"""Features of every row of a dataset, as a parquet file of `id, feature`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emo8.core.inside import cell_bytes
from pretrain.data.dataset import (
    UnreadableImageError,
    decode,
    open_dataset,
    roots,
    row_ids,
    split_names,
)
from pretrain.weights.encoder import Encoder, load_encoder, random_encoder

if TYPE_CHECKING:
    import datasets

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
    written = total = 0
    with pq.ParquetWriter(half_written, schema) as writer:
        for name in [split] if split else split_names(data):
            dataset = open_dataset(data, name)
            folders = roots(data, dataset)
            ids = row_ids(dataset, folders)
            for kept, images in decoded_chunks(dataset, folders):
                features = encoder.features(images).astype(np.float32)
                chunk = {"id": [ids[row] for row in kept], "feature": list(features)}
                writer.write_table(pa.table(chunk, schema))
                written += len(kept)
            total += len(ids)
    half_written.replace(out)
    return written, total - written


def decoded_chunks(
    dataset: datasets.Dataset, folders: Sequence[Path] = ()
) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """Rows that decode and their uint8 pixels, some hundred at a time; the others are logged.

    Pictures that are named by path are read where they lie in one of `folders`.
    """
    for start in range(0, len(dataset), CHUNK_ROWS):
        logger.info("rows %d of %d", start, len(dataset))
        rows, images = [], []
        for row in range(start, min(start + CHUNK_ROWS, len(dataset))):
            try:
                images.append(decode(cell_bytes(dataset[row]["image"], *folders)).numpy())
            except UnreadableImageError as problem:
                logger.warning("skipped row %d: %s", row, problem)
                continue
            rows.append(row)
        yield rows, images
