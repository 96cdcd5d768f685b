"""What is known of every row that may be a copy, as arrays: hashes, thumbnails, vectors.

N rows, D embedding width, S thumbnail side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import pyarrow as pa

from emo8.filters.copies import THUMB_SIDE_PX

HASHES = ("phash", "phash_trimmed", "phash_mirrored", "phash_trimmed_mirrored")
COLUMNS = (*HASHES, "thumb", "thumb_trimmed")
LAYOUT_SIDE = 8  # lowest 8 x 8 DCT terms: the coarse layout, which a light crop hardly changes


@dataclass(frozen=True, kw_only=True)
class Views:
    """Rows to search for copies; a row without picture must not be among them."""

    hashes: np.ndarray  # (N, 4) uint64, in the order of HASHES
    thumbs: np.ndarray  # (N, 2, S, S) uint8: plain and trimmed; a memory map on many rows
    embedding: np.ndarray  # (N, D) float32 unit vectors of the build's first CLIP
    layout: np.ndarray  # (N, 2, 64) float32 unit vectors: DCT of plain and trimmed

    def __len__(self) -> int:
        return len(self.hashes)


def views_of(
    pieces: Iterable[pa.Table], num_rows: int, embedding: np.ndarray, file: str | None = None
) -> Views:
    """The views in tables with `COLUMNS`, piece by piece; thumbnails go to `file` where given."""
    side = THUMB_SIDE_PX
    shape = (num_rows, 2, side, side)
    thumbs: np.ndarray = np.empty(shape, np.uint8)
    if file is not None and num_rows:
        thumbs = np.memmap(file, np.uint8, "w+", shape=shape)
    hashes = np.empty((num_rows, len(HASHES)), np.uint64)
    layout = np.empty((num_rows, 2, LAYOUT_SIDE**2), np.float32)
    start = 0
    for piece in pieces:
        end = start + piece.num_rows
        for number, name in enumerate(HASHES):
            hashes[start:end, number] = piece.column(name).to_numpy()
        plain = piece.column("thumb").to_pylist()
        trimmed = piece.column("thumb_trimmed").to_pylist()
        data = b"".join(part for a, b in zip(plain, trimmed) for part in (a, b or a))
        thumbs[start:end] = np.frombuffer(data, np.uint8).reshape(-1, 2, side, side)
        for row in range(start, end):
            layout[row] = [layout_vector(thumb) for thumb in thumbs[row]]
        start = end
    assert start == num_rows, "views must cover every row"
    return Views(hashes=hashes, thumbs=thumbs, embedding=embedding, layout=layout)


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
