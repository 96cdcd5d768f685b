"""Columns of vectors and of distributions as arrays, and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def distributions(column: pa.ChunkedArray | pa.Array, num_names: int) -> np.ndarray:
    """A column of distributions as (N, K) float64; rows without one are uniform."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    out = np.full((len(array), num_names), 1 / num_names)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    out[valid] = array.drop_null().flatten().to_numpy().reshape(-1, num_names)
    return out


def rows_or_null(values: np.ndarray, valid: np.ndarray) -> pa.Array:
    """(N, K) numbers as a list column, null where not valid."""
    rows = values.astype(np.float32)
    return pa.array([r if ok else None for r, ok in zip(rows, valid)], pa.list_(pa.float32()))


def embeddings(column: pa.ChunkedArray, dim: int) -> np.ndarray:
    """An embedding column as (N, D) float32; rows without one are zeros."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    out = np.zeros((len(array), dim), np.float32)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    out[valid] = array.drop_null().flatten().to_numpy().reshape(-1, dim)
    return out
