"""Detail hashes: signs of low DCT terms of a thumbnail, and of its windows."""

from __future__ import annotations

import cv2
import numpy as np
import pyarrow as pa

from emo8.measure.filters.copies import THUMB_SIDE_PX, thumbnail

DETAIL_SIDE = 16  # a detail hash is the signs of 16 x 16 DCT terms, the constant one left out
DETAIL_BITS = DETAIL_SIDE**2 - 1
# Light crops: windows of these sides at 4 x 4 places, 32 bytes each. Measured: docs/duplicates.md.
WINDOW_SIDES, WINDOW_PLACES = (0.975, 0.94, 0.91), 4
NUM_WINDOWS = len(WINDOW_SIDES) * WINDOW_PLACES**2


def detail_hash(thumb: np.ndarray) -> np.ndarray:
    """(32,) uint8: the signs of the low DCT terms of an (S, S) thumbnail, packed."""
    small = cv2.resize(thumb, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:DETAIL_SIDE, :DETAIL_SIDE]
    low[0, 0] = 0
    return np.packbits(low.ravel() > 0)


def window_hashes(thumb: np.ndarray) -> np.ndarray:
    """(W, 32) uint8: detail hashes of windows of an (S, S) thumbnail."""
    side, out = len(thumb), []
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for share in WINDOW_SIDES:
        places = np.linspace(0, side * (1 - share), WINDOW_PLACES) + 0.5 * (share - 1)
        for y in places:
            for x in places:
                warp = np.array([[share, 0, x], [0, share, y]], np.float32)
                out.append(detail_hash(cv2.warpAffine(thumb, warp, (side, side), flags=flags)))
    return np.array(out)


def detail_of(rgb: np.ndarray) -> np.ndarray:
    """(32,) uint8: the detail hash of a decoded picture (H, W, 3), its border left on."""
    return detail_hash(thumbnail(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)))


def mirrored_detail(detail: np.ndarray) -> np.ndarray:
    """The detail hashes (N, 32) of the mirrored pictures: odd horizontal terms change sign."""
    odd = np.zeros((DETAIL_SIDE, DETAIL_SIDE), np.uint8)
    odd[:, 1::2] = 1
    return np.asarray(detail ^ np.packbits(odd.ravel()))


def details_of(thumbs: pa.ChunkedArray, trimmed: pa.ChunkedArray) -> np.ndarray:
    """(N, 2, 32) detail hashes from the thumbnail columns of the `measure` step."""
    out = np.zeros((len(thumbs), 2, DETAIL_SIDE**2 // 8), np.uint8)
    for row, views in enumerate(zip(thumbs.to_pylist(), trimmed.to_pylist())):
        for view, data in enumerate((views[0], views[1] or views[0])):
            if data is not None:
                out[row, view] = detail_hash(thumb_of(data))
    return out


def thumb_of(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8).reshape(THUMB_SIDE_PX, THUMB_SIDE_PX)
