"""What is known of every row that may be a copy, as arrays: hashes, thumbnails, vectors.

N rows, D embedding width, S thumbnail side, C chroma side. In a build the arrays are files that
are mapped into memory, so that every worker reads the few rows it compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from emo8.engine.files import new_array
from emo8.measure.filters.copies import CHROMA_SIDE_PX, THUMB_SIDE_PX

HASHES = ("phash", "phash_trimmed", "phash_mirrored", "phash_trimmed_mirrored")
COLUMNS = (*HASHES, "thumb", "thumb_trimmed", "chroma", "chroma_trimmed")
LAYOUT_SIDE = 8  # lowest 8 x 8 DCT terms: the coarse layout, which a light crop hardly changes


@dataclass(frozen=True, kw_only=True)
class Views:
    """Rows to search for copies; a row without picture must not be among them."""

    hashes: np.ndarray  # (N, 4) uint64, in the order of HASHES
    thumbs: np.ndarray  # (N, 2, S, S) uint8: plain and trimmed
    chroma: np.ndarray  # (N, 2, C, C, 2) uint8: Cr and Cb, plain and trimmed
    embedding: np.ndarray  # (N, D) float32 unit vectors of the build's first CLIP
    layout: np.ndarray  # (N, 2, 64) float32 unit vectors: DCT of plain and trimmed

    def __len__(self) -> int:
        return len(self.hashes)


def empty_views(num_rows: int, dim: int, folder: Path | None = None) -> Views:
    """Views to fill, as files in `folder` where given; a picture of one grey in every row."""
    small = (2, CHROMA_SIDE_PX, CHROMA_SIDE_PX, 2)
    shapes: dict[str, tuple[type, tuple[int, ...]]] = {
        "hashes": (np.uint64, (len(HASHES),)),
        "thumbs": (np.uint8, (2, THUMB_SIDE_PX, THUMB_SIDE_PX)),
        "chroma": (np.uint8, small),
        "embedding": (np.float32, (dim,)),
        "layout": (np.float32, (2, LAYOUT_SIDE**2)),
    }
    arrays: dict[str, np.ndarray] = {}
    for name, (dtype, shape) in shapes.items():
        if folder is None or not num_rows:  # a file cannot map nothing
            arrays[name] = np.zeros((num_rows, *shape), dtype)
        else:
            arrays[name] = new_array(folder / f"{name}.npy", np.dtype(dtype), (num_rows, *shape))
    return Views(**arrays)


def open_views(folder: Path) -> Views:
    """The views that another process wrote into `folder`."""
    return Views(
        **{
            field.name: np.load(folder / f"{field.name}.npy", mmap_mode="r")
            for field in fields(Views)
        }
    )


def views_of(
    pieces: Iterable[tuple[pa.Table, np.ndarray]],
    num_rows: int,
    dim: int,
    folder: Path | None = None,
) -> Views:
    """The views in tables with `COLUMNS` and their (n, D) embeddings, piece by piece."""
    views = empty_views(num_rows, dim, folder)
    start = 0
    for piece, embedding in pieces:
        end = start + piece.num_rows
        for number, name in enumerate(HASHES):
            views.hashes[start:end, number] = piece.column(name).to_numpy()
        for name, array in (("thumb", views.thumbs), ("chroma", views.chroma)):
            plain = piece.column(name).to_pylist()
            trimmed = piece.column(f"{name}_trimmed").to_pylist()
            data = b"".join(part for a, b in zip(plain, trimmed) for part in (a, b or a))
            array[start:end] = np.frombuffer(data, np.uint8).reshape(-1, *array.shape[1:])
        views.embedding[start:end] = embedding
        for row in range(start, end):
            views.layout[row] = [layout_vector(thumb) for thumb in views.thumbs[row]]
        start = end
    assert start == num_rows, "views must cover every row"
    return views


def layout_vector(thumb: np.ndarray) -> np.ndarray:
    """(64,) unit vector of the low DCT terms of an (S, S) thumbnail, the constant one left out."""
    small = cv2.resize(thumb, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:LAYOUT_SIDE, :LAYOUT_SIDE].ravel()
    low[0] = 0
    return np.asarray(low / max(float(np.linalg.norm(low)), 1e-3), np.float32)


def mirrored(layout: np.ndarray) -> np.ndarray:
    """The layout vectors (..., 64) of the mirrored pictures: odd horizontal terms change sign."""
    sign = np.ones((LAYOUT_SIDE, LAYOUT_SIDE), np.float32)
    sign[:, 1::2] = -1
    return np.asarray(layout * sign.ravel())
