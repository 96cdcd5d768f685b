"""Bytes to upright RGB pixels and back, safely.

Pictures from outside are hostile. The header is read first and the pixel cap is applied before any
pixel is decoded; only the raster formats in `FORMATS` are tried; nothing is fetched, nothing is
unpickled, SVG is not an image here. Transparent pictures are laid on `BACKGROUND`.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import warnings
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

FORMATS: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
# White: the paper most drawings were made for. PIL's own conversion would give black.
BACKGROUND: tuple[int, int, int] = (255, 255, 255)
DEFAULT_MAX_PIXELS = 100_000_000
JPEG_QUALITY = 95

ImageFile.LOAD_TRUNCATED_IMAGES = False


class DecodeError(Exception):
    """A picture that cannot become pixels: a reason code, and the number that made it so."""

    def __init__(self, reason: str, value: float | None = None, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.value = value


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """One picture as pixels, and what its file said about them."""

    rgb: np.ndarray  # (H, W, 3) uint8, upright, alpha laid on BACKGROUND
    format: str  # as PIL names it, from the content and not from the file name
    mode: str  # PIL mode as stored, for example CMYK, P, I;16
    num_frames: int
    visible: float  # share of pixels with alpha above 8 of 255; 1.0 without alpha
    plain: bool  # True when the file is upright RGB or grey, so its bytes need no re-encoding
    has_gps: bool  # the metadata say where it was taken; nothing we publish does

    @property
    def width(self) -> int:
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        return int(self.rgb.shape[0])

    def pixel_sha256(self) -> str:
        """SHA-256 of height, width and RGB pixels, as hex."""
        digest = hashlib.sha256(struct.pack("<II", self.height, self.width))
        digest.update(np.ascontiguousarray(self.rgb).data)
        return digest.hexdigest()


def decode(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Decoded:
    """Upright RGB pixels of the first frame; DecodeError with a reason code otherwise."""
    if not data:
        raise DecodeError("empty", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PIL's own bomb warning: the cap below is ours
        image = _open(data)
        num_pixels = image.width * image.height
        if num_pixels > max_pixels:
            raise DecodeError("too_many_pixels", num_pixels)
        try:
            return _load(image, data)
        except DecodeError:
            raise
        except Exception as error:  # PIL plugins raise anything on damaged data
            raise DecodeError(_load_reason(error), None, str(error)) from error


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        known = data[:3] == b"\xff\xd8\xff" or data[:8] == b"\x89PNG\r\n\x1a\n"
        raise DecodeError("truncated" if known else "not_an_image", len(data)) from error
    except Image.DecompressionBombError as error:  # PIL's own cap, met before ours
        num_pixels = re.search(r"\d+", str(error))
        value = float(num_pixels[0]) if num_pixels else None
        raise DecodeError("too_many_pixels", value) from error
    except Exception as error:
        raise DecodeError(_load_reason(error), None, str(error)) from error


def _load_reason(error: Exception) -> str:
    text = str(error).lower()
    if "truncated" in text or "premature" in text or "end of file" in text:
        return "truncated"
    return "corrupt"


def _load(image: Image.Image, data: bytes) -> Decoded:
    stored_format, mode = image.format or "", image.mode
    # An MPO is a photograph with previews or depth maps behind it, not an animation.
    num_frames = 1 if stored_format == "MPO" else int(getattr(image, "n_frames", 1))
    exif = image.getexif()
    upright = exif.get(0x0112, 1) in (0, 1)
    rgb, visible = None, 1.0
    if stored_format == "JPEG" and mode in ("RGB", "L") and upright:
        rgb = _fast_jpeg(data)
    if rgb is None:
        image.seek(0)
        image.load()
        rgb, visible = _to_rgb(ImageOps.exif_transpose(image))
    plain = upright and mode in ("RGB", "L") and num_frames == 1 and visible == 1.0
    return Decoded(
        rgb=rgb,
        format=stored_format,
        mode=mode,
        num_frames=num_frames,
        visible=visible,
        plain=plain and stored_format in ("JPEG", "PNG", "WEBP"),
        has_gps=0x8825 in exif,
    )


def _fast_jpeg(data: bytes) -> np.ndarray | None:
    """The pixels PIL would give, several times sooner; None where PIL must have the last word.

    Strict: a single libjpeg warning (truncated, damaged scan) sends the file to PIL, so the same
    files are refused as without this path.
    """
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", strict=True))
    except ValueError:
        return None


def _to_rgb(image: Image.Image) -> tuple[np.ndarray, float]:
    """(H, W, 3) uint8 pixels on BACKGROUND, and the share of visible ones."""
    if image.mode.startswith("I") or image.mode == "F":
        return _from_wide_grey(np.asarray(image)), 1.0
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        visible = float((np.asarray(rgba)[..., 3] > 8).mean())
        canvas = Image.new("RGBA", rgba.size, (*BACKGROUND, 255))
        return np.asarray(Image.alpha_composite(canvas, rgba).convert("RGB")), visible
    return np.asarray(image.convert("RGB")), 1.0


def _from_wide_grey(values: np.ndarray) -> np.ndarray:
    """16-bit or float grey (H, W) scaled to 8 bits, never clipped to white; (H, W, 3) uint8."""
    wide = values.astype(np.float64)
    top = 65535.0 if wide.max(initial=0) > 255 else 255.0
    top = max(top, float(wide.max(initial=0)))
    grey = np.clip(wide / top * 255.0, 0, 255).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def publishable(data: bytes, *, plain_jpeg: bool, max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
    """Bytes to publish: upright, opaque, one frame, and without metadata.

    A plain JPEG (see `Decoded.plain`) keeps its compressed data and loses its metadata segments;
    anything else is encoded anew: JPEG stays JPEG at quality 95, the rest becomes lossless WebP.
    """
    if plain_jpeg:
        return strip_jpeg(data)
    picture = decode(data, max_pixels=max_pixels)
    return encode(picture.rgb, picture.format)


def encode(rgb: np.ndarray, format: str) -> bytes:
    """Pixels as a file to publish: JPEG where they came from one, else without loss."""
    image = Image.fromarray(rgb)
    out = io.BytesIO()
    if format in ("JPEG", "MPO"):
        image.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    elif max(image.size) > 16383:  # WebP's limit
        image.save(out, "PNG")
    else:
        image.save(out, "WEBP", lossless=True, quality=50, method=2)
    return out.getvalue()


def strip_jpeg(data: bytes) -> bytes:
    """The same JPEG without comments and application segments other than JFIF and Adobe.

    Bytes after the end-of-image marker go too. Compressed pixels are copied, not re-encoded.
    Source: ITU-T T.81, annex B (marker syntax).
    """
    out, position = bytearray(b"\xff\xd8"), 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise DecodeError("corrupt", position, "a JPEG marker was expected")
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        size = struct.unpack(">H", data[position + 2 : position + 4])[0]
        segment = data[position : position + 2 + size]
        if marker == 0xDA:  # start of scan: the rest is pixels, up to the last end marker
            end = _end_of_image(data, position)
            return bytes(out + data[position:end])
        if not (0xE1 <= marker <= 0xED or marker in (0xEF, 0xFE)):
            out += segment
        position += 2 + size
    raise DecodeError("truncated", len(data), "no scan in this JPEG")


def _end_of_image(data: bytes, scan: int) -> int:
    """Offset just behind the end-of-image marker that closes the scans from `scan` on."""
    position = scan
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 >= len(data):
            return len(data)
        marker = data[position + 1]
        if marker == 0xD9:
            return position + 2
        entropy_coded = marker == 0x00 or marker == 0xFF or 0xD0 <= marker <= 0xD7
        if entropy_coded or position + 4 > len(data):
            position += 1 if marker == 0xFF else 2
        else:  # a segment between progressive scans: skip its whole length
            position += 2 + struct.unpack(">H", data[position + 2 : position + 4])[0]
