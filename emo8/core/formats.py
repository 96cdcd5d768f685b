"""The raster formats that are read: how their files begin, their suffixes, what decodes them.

A format is known by its content, never by its name. Decoders are named here and imported when a
picture of theirs comes; nothing is registered with PIL, so that importing emo8 changes nobody's
PIL.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

PIP_LINE = 'pip install "emo8[pictures]"'


@dataclass(frozen=True, kw_only=True)
class Format:
    """One raster format."""

    name: str  # as PIL names it
    suffixes: tuple[str, ...]
    module: str  # that holds the decoder
    opener: str  # in it, from a file object to a PIL picture with only its header read
    extra: bool = False  # True: its decoder comes with the extra `pictures`
    title: str = ""  # for people, where the name says little


FORMATS: dict[str, Format] = {
    item.name: item
    for item in (
        Format(
            name="JPEG",
            suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
            module="PIL.JpegImagePlugin",
            opener="jpeg_factory",
            title="JPEG, MPO and Ultra HDR",
        ),
        Format(
            name="PNG",
            suffixes=(".png", ".apng"),
            module="PIL.PngImagePlugin",
            opener="PngImageFile",
            title="PNG and APNG",
        ),
        Format(
            name="WEBP",
            suffixes=(".webp",),
            module="PIL.WebPImagePlugin",
            opener="WebPImageFile",
            title="WebP",
        ),
        Format(name="GIF", suffixes=(".gif",), module="PIL.GifImagePlugin", opener="GifImageFile"),
        Format(name="BMP", suffixes=(".bmp",), module="PIL.BmpImagePlugin", opener="BmpImageFile"),
        Format(
            name="TIFF",
            suffixes=(".tif", ".tiff"),
            module="PIL.TiffImagePlugin",
            opener="TiffImageFile",
        ),
        Format(
            name="AVIF",
            suffixes=(".avif",),
            module="PIL.AvifImagePlugin",
            opener="AvifImageFile",
        ),
        Format(
            name="HEIF",
            suffixes=(".heic", ".heif", ".hif"),
            module="pillow_heif",
            opener="HeifImageFile",
            extra=True,
            title="HEIC and HEIF",
        ),
        Format(
            name="JXL",
            suffixes=(".jxl",),
            module="emo8.core.jxl",
            opener="JxlFile",
            extra=True,
            title="JPEG XL",
        ),
    )
}
SUFFIXES: dict[str, str] = {
    suffix: item.name for item in FORMATS.values() for suffix in item.suffixes
}  # which format a file's name promises
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
_JXL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n"


def sniff(data: bytes) -> str | None:
    """The name of the format that the content begins like; None for none of FORMATS."""
    head = data[:16]
    if head[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if head[:2] == b"BM":
        return "BMP"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head[:2] == b"\xff\x0a" or head[:12] == _JXL_BOX:
        return "JXL"
    return _brand(data) if head[4:8] == b"ftyp" else None


def _brand(data: bytes) -> str | None:
    """AVIF or HEIF by the brands of a file-type box. Source: ISO/IEC 14496-12, 4.3."""
    size = min(int.from_bytes(data[:4]), 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, size, 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIF" if brands & _HEIF_BRANDS else None


@cache
def opener(name: str) -> Callable[[io.BytesIO], Image.Image] | None:
    """What opens files of a format, reading headers only; None where it is not installed."""
    entry = FORMATS[name]
    try:
        module: Any = importlib.import_module(entry.module)
        if name == "AVIF" and not module.SUPPORTED:  # a Pillow built without it
            return None
        return getattr(module, entry.opener)
    except ImportError:
        return None
