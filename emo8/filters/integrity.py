"""What the file is: its real format and mode, its frames, its hashes."""

from __future__ import annotations

from typing import Any, ClassVar

import cv2
import numpy as np
import pyarrow as pa

from emo8.filters.base import Check, Picture

PHASH_RECIPE = "dct64-v1"  # hashes of different recipes must never be compared


class Integrity:
    """Format, frames, and the two hashes by which copies are found."""

    columns: ClassVar[dict[str, pa.DataType]] = {
        "format": pa.string(),  # from the content, as PIL names it
        "mode": pa.string(),  # PIL mode as stored
        "num_frames": pa.int32(),
        "num_bytes": pa.int64(),
        "plain": pa.bool_(),  # upright RGB or grey: the bytes need no re-encoding to publish
        "pixel_sha256": pa.string(),
        "phash": pa.uint64(),
    }
    checks: ClassVar[tuple[Check, ...]] = (
        Check(reason="animated", column="num_frames", threshold="max_frames", below=False),
    )

    def measure(self, picture: Picture) -> dict[str, Any]:
        return {
            "format": picture.decoded.format,
            "mode": picture.decoded.mode,
            "num_frames": picture.decoded.num_frames,
            "num_bytes": len(picture.data),
            "plain": picture.decoded.plain,
            "pixel_sha256": picture.decoded.pixel_sha256(),
            "phash": perceptual_hash(picture.grey),
        }


def perceptual_hash(grey: np.ndarray) -> int:
    """64-bit hash of an (h, w) uint8 picture: signs of its 8 x 8 lowest DCT terms.

    Recipe `dct64-v1`: area-resize to 32 x 32, DCT-II, 8 x 8 low frequencies, each bit set when
    the term is over their median without the constant one. Source: Zauner (2010),
    "Implementation and benchmarking of perceptual image hash functions".
    """
    square = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(square)[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return int(np.packbits(bits).view(">u8")[0])
