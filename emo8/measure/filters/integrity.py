"""What the file is: its real format and mode, its frames, its hashes."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow as pa

from emo8.core.checks import Check
from emo8.core.formats import SUFFIXES
from emo8.core.pixels import NO_GROUND
from emo8.measure.filters.base import Filter, Picture, square_hash


class Integrity(Filter):
    """Format, frames, and the two hashes by which copies are found."""

    order: ClassVar[int] = 0
    columns: ClassVar[dict[str, pa.DataType]] = {
        "format": pa.string(),  # from the content, as PIL names it
        "mode": pa.string(),  # PIL mode as stored
        "num_frames": pa.int32(),
        "num_bytes": pa.int64(),
        "plain": pa.bool_(),  # its compressed data can be published as they are
        "suffix_agrees": pa.bool_(),  # false: named .jpg and is none; null: no suffix we know
        "colour": pa.string(),  # what became of its colours, one of `pixels.COLOURS`
        "ground": pa.string(),  # white or black under transparent parts; null: none is transparent
        "numbers": pa.string(),  # range of its stored samples: "8 bits", or a wider one
        "has_gps": pa.bool_(),  # its metadata say where it was taken; never published
        "pixel_sha256": pa.string(),
        "phash": pa.uint64(),
    }
    checks: ClassVar[tuple[Check, ...]] = (
        Check(
            reason="animated",
            meaning="more frames or pages than decide.max_frames; value = frames",
            column="num_frames",
            threshold="max_frames",
            default=1,
            why="an animation is not one picture",
            below=False,
        ),
    )

    def measure(self, picture: Picture) -> dict[str, Any]:
        return {
            "format": picture.decoded.format,
            "mode": picture.decoded.mode,
            "num_frames": picture.decoded.num_frames,
            "num_bytes": len(picture.data),
            "plain": picture.decoded.plain,
            "suffix_agrees": suffix_agrees(picture.suffix, picture.decoded.format),
            "colour": picture.decoded.colour,
            "ground": None if picture.decoded.ground == NO_GROUND else picture.decoded.ground,
            "numbers": picture.decoded.numbers,
            "has_gps": picture.decoded.has_gps,
            "pixel_sha256": picture.decoded.pixel_sha256(),
            "phash": square_hash(picture.square),
        }


def suffix_agrees(suffix: str, stored_format: str) -> bool | None:
    """Whether a file's name tells its true format; None where the name tells none."""
    named = SUFFIXES.get(suffix)
    return None if named is None else named == stored_format.replace("MPO", "JPEG")
