"""What the file is: its real format and mode, its frames, its hashes."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow as pa

from emo8.filters.base import Check, Picture, perceptual_hash


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
