"""From an opened PIL picture of any mode to 8-bit sRGB pixels, not yet turned.

Large pictures are converted in bands, so that little lies in memory besides the picture as its
decoder gives it and the pixels that come back. Letters: H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from emo8.core import colour, colour_tags, headers, wide

# White: the paper most drawings were made for. PIL's own conversion would give black.
BACKGROUND: tuple[int, int, int] = (255, 255, 255)
COLOURS: dict[str, str] = {
    "untagged": "the file says nothing about its colours: taken as sRGB",
    "srgb": "a profile or tag that means sRGB: pixels as they are",
    "converted": "a profile or tag of other colours: converted to sRGB",
    "broken": "a profile that cannot be used: pixels as if there were none",
}
_BAND_PIXELS = 1 << 20
_LARGE_PIXELS = 1 << 24  # PIL takes 16 bytes a pixel for a WebP: larger ones go another way
_CLEAR_MODES = ("RGBA", "LA", "PA", "La", "RGBa")
_GREY_MODES = ("L", "1", "LA", "La")
_STRAIGHT = {"La": "LA", "RGBa": "RGBA"}  # alpha not multiplied in, PIL's way there

# uint8 (h, w, 3) of a part, its share of visible pixels, and whether all are opaque
Converted = tuple[np.ndarray, float, bool]


@dataclass
class Seen:
    """What is found out about a picture while its pixels are converted."""

    visible: float = 1.0  # share of pixels with alpha above 8 of 255
    opaque: bool = True  # no pixel is transparent, not even a little
    colour: str = "untagged"  # one of COLOURS
    numbers: str = "8 bits"  # the range of the stored samples


def to_srgb(image: Image.Image, data: bytes, seen: Seen) -> np.ndarray:
    """(H, W, 3) uint8 sRGB pixels; `data` is the file, empty where there is none."""
    if getattr(image, "is_wide", False):
        return from_wide(image.values(), image, data, seen)  # type: ignore[attr-defined]
    if data and headers.has_wide_colour(data, image):
        values = wide_values(data)
        if values is not None:
            return from_wide(values, image, data, seen)
    if data and image.format == "WEBP" and image.width * image.height > _LARGE_PIXELS:
        image = _by_opencv(image, data)
    image.load()
    if image.mode.startswith("I") or image.mode == "F":
        return from_wide(np.asarray(image), image, data, seen)
    frame = getattr(image, "dispose_extent", None) if image.format == "GIF" else None
    rgb = _in_bands(image, _converter(image, data, seen), seen)
    return rgb if frame is None else _outside_on_background(rgb, frame, seen)


def _by_opencv(image: Image.Image, data: bytes) -> Image.Image:
    """The same picture with its pixels decoded by OpenCV; the picture itself where it cannot."""
    found = _imdecode(data)
    if found is None or found.shape[:2] != image.size[::-1] or found.dtype != np.uint8:
        return image
    _swap_blue(found)
    decoded = Image.fromarray(np.asarray(found))
    decoded.info, decoded.format = image.info, image.format
    return decoded


def _imdecode(data: bytes) -> np.ndarray | None:
    """What OpenCV makes of a file, without its remarks on standard error; None where nothing."""
    import cv2

    level = cv2.utils.logging.setLogLevel(0)
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    finally:
        cv2.utils.logging.setLogLevel(level)


def _swap_blue(found: np.ndarray) -> None:
    """OpenCV's order, blue first, into red first, in place and with little memory."""
    blue = found[..., 0].copy()
    found[..., 0] = found[..., 2]
    found[..., 2] = blue


def _in_bands(
    image: Image.Image, convert: Callable[[Image.Image], Converted], seen: Seen
) -> np.ndarray:
    rows = max(1, _BAND_PIXELS // image.width)
    if rows >= image.height:
        rgb, seen.visible, seen.opaque = convert(image)
        return rgb
    out = np.empty((image.height, image.width, 3), np.uint8)
    visible = 0.0
    for top in range(0, image.height, rows):
        part = image.crop((0, top, image.width, min(top + rows, image.height)))
        out[top : top + rows], share, opaque = convert(part)
        visible += share * part.height
        seen.opaque &= opaque
    seen.visible = visible / image.height
    return out


def tag(rgb: np.ndarray, image: Image.Image, data: bytes, seen: Seen) -> np.ndarray:
    """The pixels (H, W, 3) of a picture in mode L or RGB, converted by what its file says."""
    return _converted(rgb, _conversion(image, data, image.mode, seen))


def _converter(image: Image.Image, data: bytes, seen: Seen) -> Callable[[Image.Image], Converted]:
    """A function that converts a part of the picture."""
    if image.mode in ("CMYK", "LAB"):
        lcms = _lcms(image, seen)
        if lcms is None:
            return lambda part: (np.asarray(part.convert("RGB")), 1.0, True)
        return lambda part: (np.asarray(ImageCms.applyTransform(part, lcms)), 1.0, True)
    mode = "L" if image.mode in _GREY_MODES else "RGB"
    found = _conversion(image, data, mode, seen)
    if image.mode in _CLEAR_MODES or "transparency" in image.info:
        return lambda part: _on_background(part, found)
    return lambda part: (_converted(np.asarray(part.convert("RGB")), found), 1.0, True)


def _on_background(part: Image.Image, found: Any) -> Converted:
    """The part laid on BACKGROUND."""
    rgba = part.convert(_STRAIGHT.get(part.mode, part.mode)).convert("RGBA")
    alpha = np.asarray(rgba.getchannel("A"))
    if found is not None:
        rgb = _converted(np.asarray(rgba.convert("RGB")), found)
        rgba = Image.fromarray(np.dstack([rgb, alpha]))
    canvas = Image.new("RGBA", rgba.size, (*BACKGROUND, 255))
    laid = np.asarray(Image.alpha_composite(canvas, rgba).convert("RGB"))
    return laid, float((alpha > 8).mean()), bool(alpha.min(initial=255) == 255)


def _outside_on_background(
    rgb: np.ndarray, frame: tuple[int, int, int, int], seen: Seen
) -> np.ndarray:
    """The pixels with BACKGROUND where a first frame smaller than its screen draws nothing."""
    left, top, right, bottom = frame
    height, width = rgb.shape[:2]
    drawn = (min(right, width) - left) * (min(bottom, height) - top)
    if drawn >= width * height:
        return rgb
    out = np.full_like(rgb, BACKGROUND)
    out[top:bottom, left:right] = rgb[top:bottom, left:right]
    if seen.opaque:
        seen.visible = drawn / (width * height)
    seen.opaque = False
    return out


# Colours


def _conversion(image: Image.Image, data: bytes, mode: str, seen: Seen) -> Any:
    """How colours become sRGB: a `colour.Conversion`, a table of greys, or None.

    A grey picture may have a profile of colours; any other that does not fit is broken.
    """
    code = _png_code(image, data) if image.format == "PNG" else None
    profile = image.info.get("icc_profile")
    if code is None and profile:
        try:
            found = _by_profile(profile, mode)
        except colour.BrokenProfileError:
            seen.colour = "broken"
            return None
    else:
        code = code or _box_code(image, data)
        if code is None:
            return None
        found = colour.by_code(code)
    seen.colour = "srgb" if found is None else "converted"
    return found


def _by_profile(profile: bytes, mode: str) -> Any:
    space = bytes(profile[16:20])
    if space == b"GRAY" and mode == "L":
        return colour.grey_table(profile)
    if space == b"RGB ":
        return colour.by_profile(profile)
    raise colour.BrokenProfileError(f"a profile of {space!r} in a picture of mode {mode}")


def _png_code(image: Image.Image, data: bytes) -> colour_tags.ColourCode | None:
    if data:
        return colour_tags.png_code(data)
    if "icc_profile" in image.info or "srgb" in image.info:
        return None
    return colour_tags.gamma_code(image.info.get("gamma"), image.info.get("chromaticity"))


def _box_code(image: Image.Image, data: bytes) -> colour_tags.ColourCode | None:
    if image.format == "AVIF" and data:
        return colour_tags.box_code(data)
    if image.format == "HEIF" and (codes := image.info.get("nclx_profile")):
        return colour_tags.by_codes(codes["color_primaries"], codes["transfer_characteristics"])
    return None


def _lcms(image: Image.Image, seen: Seen) -> Any:
    """The transform of a CMYK or CIELAB picture; None for PIL's own plain way."""
    profile = image.info.get("icc_profile")
    if profile:
        try:
            found = colour.transform(profile, image.mode)
            seen.colour = "converted"
            return found
        except colour.BrokenProfileError:
            seen.colour = "broken"
    return colour.transform(None, image.mode) if image.mode == "LAB" else None


def _converted(rgb: np.ndarray, found: Any) -> np.ndarray:
    """The pixels in sRGB; `rgb` itself where it can be changed."""
    if found is None:
        return rgb
    if isinstance(found, np.ndarray):  # a table of greys
        return np.ascontiguousarray(found[rgb[..., 0]])
    if not rgb.flags.writeable:
        rgb = rgb.copy()
    found.bytes_to_srgb(rgb)
    return rgb


# Numbers wider than 8 bits

_SIGNED = 2  # of the TIFF tag SampleFormat


def from_wide(values: np.ndarray, image: Image.Image, data: bytes, seen: Seen) -> np.ndarray:
    """(H, W, 3) uint8 of numbers (H, W), or (H, W, C) in RGBA or grey-and-alpha order."""
    if values.ndim == 3 and values.shape[2] == 2:
        values = values[..., [0, 0, 0, 1]]
    declared = _declared(image, data)
    grey = values.ndim == 2
    levels = wide.find_levels(values if grey else values[..., :3], declared)
    has_alpha = not grey and values.shape[2] == 4
    alphas = wide.find_levels(values[..., 3], declared) if has_alpha else None
    seen.numbers = levels.name
    found = _conversion(image, data, "L" if grey else "RGB", seen)
    out = np.empty((*values.shape[:2], 3), np.uint8)
    rows = max(1, colour.BAND_PIXELS // max(1, values.shape[1]))
    visible = 0.0
    for top in range(0, len(values), rows):
        band = values[top : top + rows]
        colours = np.repeat(band[..., None], 3, axis=2) if grey else band[..., :3]
        light = levels.to_share(colours, negative=declared.negative)
        if isinstance(found, np.ndarray) or found is None:
            rgb = _converted(np.round(light * 255).astype(np.uint8), found)
        else:
            rgb = found.shares_to_srgb(light)
        if alphas is not None:
            alpha = np.round(alphas.to_share(band[..., 3]) * 255).astype(np.uint8)
            rgb, share, opaque = _on_background(Image.fromarray(np.dstack([rgb, alpha])), None)
            visible += share * len(band) / len(values)
            seen.opaque &= opaque
        out[top : top + rows] = rgb
    if alphas is not None:
        seen.visible = visible
    return out


def _declared(image: Image.Image, data: bytes) -> wide.Declared:
    """What a file says about its numbers; a size that is only that of their cells says nothing."""
    if image.format == "PNG" and data:
        return wide.Declared(bits=colour_tags.png_significant_bits(data))
    tags: Any = getattr(image, "tag_v2", {})
    cell, largest = _greatest(tags.get(258, 0)), _greatest(tags.get(281, 0))
    bits = min(cell, largest.bit_length()) if largest > 0 else cell
    return wide.Declared(
        bits=bits if 0 < bits < 16 else None,
        signed_bits=cell if _greatest(tags.get(339, 0)) == _SIGNED else None,
        negative=tags.get(262) == 0,
    )


def _greatest(value: Any) -> int:
    return int(max(value)) if isinstance(value, tuple) else int(value)


def wide_values(data: bytes) -> np.ndarray | None:
    """Wide numbers as stored, in RGB or RGBA order; None where OpenCV does not read them."""
    found = _imdecode(data)
    if found is None or found.dtype == np.uint8:
        return None
    if found.ndim == 3:
        _swap_blue(found)
    return np.asarray(found)
