"""Small copies of a build's pictures as JPEG bytes, for pages and sheets that people look at."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from emo8.core.images import DecodeError, decode
from emo8.engine.files import read_rows
from emo8.engine.steps import ROWS, part_path

Place = tuple[int, int]  # part, and row in it


def small_pictures(build: Path, places: Iterable[Place], side_px: int) -> dict[Place, bytes]:
    """JPEG bytes by place, no side over `side_px`; a row without a picture that decodes has none.

    Memory holds the pictures of one row group besides the small ones.
    """
    by_part: dict[int, list[int]] = {}
    for part, row in places:
        by_part.setdefault(part, []).append(row)
    found: dict[Place, bytes] = {}
    for part, rows in sorted(by_part.items()):
        path = part_path(build, ROWS, part)
        if not path.exists():
            continue
        for some, piece in read_rows(path, ["image"], np.unique(rows)):
            for row, image in zip(some.tolist(), piece.column("image")):
                data: Any = image["bytes"].as_py() if image.is_valid else None
                if data and (small := shrunk(data, side_px)):
                    found[part, row] = small
    return found


def shrunk(data: bytes, side_px: int, quality: int = 80) -> bytes | None:
    """JPEG bytes of a picture, no side over `side_px`; None for what does not decode."""
    try:
        image = Image.fromarray(decode(data).rgb)
    except DecodeError:
        return None
    image.thumbnail((side_px, side_px))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()
