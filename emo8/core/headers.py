"""What the first bytes of a picture file tell, where PIL does not say it or says it too late."""

from __future__ import annotations

import io
import re
from typing import Any

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF markers of ITU-T T.81
_SHOWN_FRAMES = frozenset((0xC0, 0xC1, 0xC2))  # what browsers decode: Huffman, not lossless
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_TIFF_RGB = 2


def jpeg_frame(data: bytes) -> tuple[int, int] | None:
    """Marker of the frame and bits per sample of a JPEG; None where no frame comes."""
    at = 2
    while found := _MARKER.search(data, at):
        at, marker = found.start(), data[found.start() + 1]
        if marker in _FRAMES:
            return (marker, data[at + 4]) if at + 4 < len(data) else None
        if marker in (0xDA, 0xD9):
            return None
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


def is_shown_jpeg(data: bytes) -> bool:
    """Whether browsers show it: neither arithmetic coding nor lossless frames."""
    frame = jpeg_frame(data)
    return frame is not None and frame[0] in _SHOWN_FRAMES


def unsupported(data: bytes, name: str) -> str:
    """Why no decoder here reads a file that is whole; empty where one may."""
    if name == "JPEG" and (frame := jpeg_frame(data)) and frame[1] != 8:
        return f"JPEG of {frame[1]} bits a sample"
    return ""


def png_exif(data: bytes) -> bytes | None:
    """The EXIF of a PNG, before its pixels or behind them."""
    at = 8
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] == b"eXIf":
            return data[at + 8 : at + 8 + size]
        at += 12 + size
    return None


def has_own_turn(data: bytes) -> bool:
    """Whether a HEIF file turns or mirrors a picture by a property of its own."""
    return any(data.find(name, 0, 1 << 16) >= 0 for name in (b"irot", b"imir"))


def tiff_tags(data: bytes) -> Any:
    """The tags of a TIFF's first page, by number; ValueError, OSError or others if damaged."""
    from PIL import TiffImagePlugin

    # BigTIFF has a header of 16 bytes
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if 43 in data[2:4] else 8])
    file = io.BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    return tags


def is_whole_tiff(data: bytes) -> bool:
    """Whether the tags can be read and say where the pixels are, and the file holds them."""
    try:
        tags = tiff_tags(data)
        starts, sizes = tags.get(273) or tags.get(324), tags.get(279) or tags.get(325)
        return max(start + size for start, size in zip(starts, sizes)) <= len(data)
    except Exception:  # PIL raises anything on damaged tables
        return False


def has_wide_colour(data: bytes, image: Any) -> bool:
    """Whether the file holds RGB of 16 bits, of which PIL would keep the upper 8."""
    if image.format == "PNG":
        return data[24] == 16 and data[25] in (2, 4, 6)
    if image.format == "TIFF":
        tags = image.tag_v2
        return tags.get(262) == _TIFF_RGB and max(tags.get(258, (8,))) > 8
    return False
