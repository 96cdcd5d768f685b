"""Bytes to upright sRGB pixels, safely: the one decoder of emo8, uniemox and emo8-bench.

Pictures from outside are hostile. The header is read first and the pixel cap is applied before any
pixel is decoded; only the raster formats of `formats.py` are tried; nothing is fetched, nothing is
unpickled, SVG is not an image here. Of a file with several pictures the first one counts, of an
animation its first frame. Colours become sRGB (`colour.py`), wide numbers 8 bits (`wide.py`), and
transparent pictures are laid on white, white art on black. Memory: at most 12 bytes a pixel
besides the file itself.
"""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image, ImageFile

from emo8.core import headers
from emo8.core.formats import PIP_LINE, opener, sniff
from emo8.core.pixels import NO_GROUND, Seen, from_wide, tag, to_srgb, wide_values

DEFAULT_MAX_PIXELS = 100_000_000
ORIENTATION, GPS = 0x0112, 0x8825  # EXIF tags
_MAX_PAGES = 1000  # of a TIFF are looked at
# Formats whose further pictures are no animation: previews, depth maps, bursts of a photograph.
_STILL = frozenset(("JPEG", "MPO", "HEIF", "JXL"))
_TIFF_ASIDE = 1 | 4  # NewSubfileType: a smaller copy of another page, a mask of one

# Why a file leaves that begins like its format and has no readable header: two bytes make a BMP,
# so most of what begins like one is none.
_HEADER_REASON = {
    "JPEG": "truncated",
    "PNG": "truncated",
    "AVIF": "corrupt",
    "HEIF": "corrupt",
    "JXL": "corrupt",
}

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

    rgb: np.ndarray  # (H, W, 3) uint8 sRGB, upright, on its ground where it is transparent
    format: str  # as PIL names it, from the content and not from the file name
    mode: str  # PIL mode as stored, for example CMYK, P, I;16
    num_frames: int
    visible: float  # share of pixels with alpha above 8 of 255; 1.0 without alpha
    plain: bool  # its compressed data can be published as they are (`dataset/bare`)
    has_gps: bool  # the metadata say where it was taken; nothing we publish does
    colour: str  # one of `pixels.COLOURS`
    ground: str  # what its transparent parts were laid on: white, black, or none
    numbers: str  # "8 bits", or the range that wide numbers were found to have

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
    """Upright sRGB pixels of the first picture; DecodeError with a reason code otherwise."""
    if not data:
        raise DecodeError("empty", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders' remarks on odd but readable files
        try:
            image = _open(data)
            if image is None:
                return _decode_tiff(data, max_pixels)
            _check_size(image.width * image.height, max_pixels)
            frames = _to_first_picture(image)
            _check_size(image.width * image.height, max_pixels)
            return _load(image, data, frames)
        except DecodeError:
            raise
        except Exception as error:  # decoders raise anything on damaged data
            raise DecodeError(_load_reason(error), None, str(error)) from error


def decode_pil(image: Image.Image) -> Decoded:
    """What `decode` gives for the file that a PIL picture was read from, at its present frame.

    Turned by its EXIF, colours by its profile, wide numbers scaled, transparency on its ground.
    DecodeError where the file, of which PIL reads the pixels late, is damaged.
    """
    try:
        return _load(image, b"", 1)
    except Exception as error:
        raise DecodeError(_load_reason(error), None, str(error)) from error


def _check_size(num_pixels: int, max_pixels: int) -> None:
    if num_pixels > max_pixels:
        raise DecodeError("too_many_pixels", num_pixels)


def _open(data: bytes) -> Image.Image | None:
    """The picture with only its header read; None for a whole TIFF that PIL has no mode for."""
    name = sniff(data)
    if name is None:
        raise DecodeError("not_an_image", len(data))
    if problem := headers.unsupported(data, name):
        raise DecodeError("unsupported_kind", None, problem)
    open_file = opener(name)
    if open_file is None:
        raise DecodeError("format_not_installed", None, f"{name}: {PIP_LINE}")
    try:
        return open_file(io.BytesIO(data))
    except SyntaxError as error:  # PIL's word for a header that it cannot read
        if name == "TIFF" and headers.is_whole_tiff(data):
            return None
        raise DecodeError(
            _HEADER_REASON.get(name, "not_an_image"), len(data), str(error)
        ) from error


def _load_reason(error: Exception) -> str:
    text = str(error).lower()
    if "truncated" in text or "premature" in text or "end of file" in text or "incomplete" in text:
        return "truncated"
    return "corrupt"


def _to_first_picture(image: Image.Image) -> int:
    """Go to the picture that counts and return the number of frames or pages.

    A TIFF page marked as a smaller copy or as a mask is none. An APNG whose first image is for
    readers without animation begins with the next one, as browsers show it.
    """
    count = 1 if image.format in _STILL else int(getattr(image, "n_frames", 1))
    if image.format == "TIFF":
        return _to_first_page(image, count)
    if getattr(image, "default_image", False) and count > 1:
        image.seek(1)
        return count - 1
    if count > 1:
        image.seek(0)
    return count


def _to_first_page(image: Image.Image, count: int) -> int:
    pages = []
    for page in range(min(count, _MAX_PAGES)):
        image.seek(page)
        if not int(getattr(image, "tag_v2", {}).get(254, 0)) & _TIFF_ASIDE:
            pages.append(page)
    image.seek(pages[0] if pages else 0)
    return max(1, count - (min(count, _MAX_PAGES) - len(pages)))


def _load(image: Image.Image, data: bytes, num_frames: int) -> Decoded:
    seen, mode, exif = Seen(), image.mode, _exif(image, data)
    turn, rgb = _turn(image, exif, data), None
    if data and image.format in ("JPEG", "MPO") and mode in ("RGB", "L"):
        rgb = _fast_jpeg(data)
    if rgb is not None:
        rgb, copied = tag(rgb, image, data, seen), headers.is_shown_jpeg(data)
    else:
        rgb, copied = to_srgb(image, data, seen), image.format in ("WEBP", "AVIF")
    plain = copied and turn == 1 and num_frames == 1 and seen.ground == NO_GROUND
    return Decoded(
        rgb=upright(rgb, turn),
        format=image.format or "",
        mode=mode,
        num_frames=num_frames,
        visible=seen.visible,
        plain=plain and seen.colour != "converted",
        has_gps=GPS in exif,
        colour=seen.colour,
        ground=seen.ground,
        numbers=seen.numbers,
    )


def _exif(image: Image.Image, data: bytes) -> Image.Exif:
    """The picture's EXIF; of a PNG that another decoder reads, without decoding it for that."""
    if image.format == "PNG" and data and headers.has_wide_colour(data, image):
        if found := headers.png_exif(data):
            image.info["exif"] = b"Exif\0\0" + found
        return Image.Image.getexif(image)
    return image.getexif()


def _turn(image: Image.Image, exif: Image.Exif, data: bytes) -> int:
    """How the camera was held, 1 to 8 of EXIF, where the decoder does not turn it by itself.

    TIFF is turned by both of its decoders. In HEIF and JPEG XL the format's own turn counts, and
    is applied with the pixels; EXIF repeats it. EXIF alone turns a HEIF without a turn of its own,
    which is how some programs write it.
    """
    if image.format in ("TIFF", "JXL"):
        return 1
    if image.format == "HEIF":
        written = image.info.get("original_orientation")
        return _known_turn(written) if data and not headers.has_own_turn(data) else 1
    return _known_turn(exif.get(ORIENTATION, 1))


def _known_turn(turn: object) -> int:
    return turn if isinstance(turn, int) and turn in range(1, 9) else 1


def upright(pixels: np.ndarray, turn: int) -> np.ndarray:
    """The picture (H, W, C) as EXIF orientation 1 to 8 says it is to be seen."""
    if turn == 1:
        return pixels
    if turn >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _fast_jpeg(data: bytes) -> np.ndarray | None:
    """The pixels PIL would give, several times sooner; None where PIL must have the last word.

    Strict: a single libjpeg warning (truncated, damaged scan) sends the file to PIL, so the same
    files are refused as without this path.
    """
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", strict=True))
    except ValueError:
        return None


def _decode_tiff(data: bytes, max_pixels: int) -> Decoded:
    """A TIFF of numbers that PIL has no mode for, such as floats in three channels."""
    tags = headers.tiff_tags(data)
    _check_size(int(tags.get(256, 0)) * int(tags.get(257, 0)), max_pixels)
    values = wide_values(data) if tags.get(262) in (0, 1, 2) else None
    if values is None:
        kind = f"TIFF of {tags.get(258)} bits, photometric {tags.get(262)}"
        raise DecodeError("unsupported_kind", None, kind)
    image = Image.new("L", (1, 1))  # carries what the tags say; the pixels are `values`
    image.format, image.tag_v2 = "TIFF", tags  # type: ignore[attr-defined]
    if profile := tags.get(34675):
        image.info["icc_profile"] = profile
    seen = Seen()
    rgb = from_wide(values, image, data, seen)
    return Decoded(
        rgb=rgb,
        format="TIFF",
        mode=f"{values.dtype.name} x {1 if values.ndim == 2 else values.shape[2]}",
        num_frames=1,
        visible=seen.visible,
        plain=False,
        has_gps=GPS in tags,
        colour=seen.colour,
        ground=seen.ground,
        numbers=seen.numbers,
    )
