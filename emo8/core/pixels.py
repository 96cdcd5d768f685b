"""From an opened PIL picture of any mode to 8-bit sRGB pixels, not yet turned.

Large pictures are converted in bands, so that little lies in memory besides the picture as its
decoder gives it and the pixels that come back. Transparent ones are laid on a ground last, when
all of their pixels are known. Letters: H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from emo8.core import colour, colour_tags, headers, wide

# What transparent pictures are laid on. White is the paper most drawings were made for; white art
# cannot be seen on it and is laid on black, as a picture in print has its ground by contrast.
GROUNDS: dict[str, int] = {"white": 255, "black": 0}
NO_GROUND = "none"  # nothing of the picture is transparent
# A pixel stands out from a ground where one of its channels, as laid, is further from it than this.
_STANDS_OUT = 32
# White is left where fewer of the visible pixels stand out from it. Of 6,952 transparent drawings
# 23 are under it: clouds, white hearts, explosions, white keys; drawings of white things with an
# outline have 8 % and more.
_LEAST_SEEN = 0.05
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

# uint8 (h, w, 3) of a part, and its alpha (h, w), None where it has none
Converted = tuple[np.ndarray, np.ndarray | None]


@dataclass
class Seen:
    """What is found out about a picture while its pixels are converted."""

    visible: float = 1.0  # share of pixels with alpha above 8 of 255
    ground: str = NO_GROUND  # or one of GROUNDS, where a pixel is transparent, if only a little
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
    rgb, alpha = _in_bands(image, _converter(image, data, seen))
    if image.format == "GIF" and (frame := getattr(image, "dispose_extent", None)):
        alpha = _clear_outside(frame, rgb.shape[:2], alpha)
    return _laid(rgb, alpha, seen)


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


def _in_bands(image: Image.Image, convert: Callable[[Image.Image], Converted]) -> Converted:
    rows = max(1, _BAND_PIXELS // image.width)
    if rows >= image.height:
        return convert(image)
    out, alpha = np.empty((image.height, image.width, 3), np.uint8), None
    for top in range(0, image.height, rows):
        part = image.crop((0, top, image.width, min(top + rows, image.height)))
        out[top : top + rows], found = convert(part)
        if found is not None:
            alpha = np.empty(out.shape[:2], np.uint8) if alpha is None else alpha
            alpha[top : top + rows] = found
    return out, alpha


def tag(rgb: np.ndarray, image: Image.Image, data: bytes, seen: Seen) -> np.ndarray:
    """The pixels (H, W, 3) of a picture in mode L or RGB, converted by what its file says."""
    return _converted(rgb, _conversion(image, data, image.mode, seen))


def _converter(image: Image.Image, data: bytes, seen: Seen) -> Callable[[Image.Image], Converted]:
    """A function that converts a part of the picture."""
    if image.mode in ("CMYK", "LAB"):
        lcms = _lcms(image, seen)
        if lcms is None:
            return lambda part: (np.asarray(part.convert("RGB")), None)
        return lambda part: (np.asarray(ImageCms.applyTransform(part, lcms)), None)
    mode = "L" if image.mode in _GREY_MODES else "RGB"
    found = _conversion(image, data, mode, seen)
    if image.mode in _CLEAR_MODES or "transparency" in image.info:
        return lambda part: _clear(part, found)
    return lambda part: (_converted(np.asarray(part.convert("RGB")), found), None)


def _clear(part: Image.Image, found: Any) -> Converted:
    """The pixels and alpha of a part that may be transparent."""
    rgba = part.convert(_STRAIGHT.get(part.mode, part.mode)).convert("RGBA")
    pixels = np.asarray(rgba)
    return _converted(np.ascontiguousarray(pixels[..., :3]), found), pixels[..., 3]


def _clear_outside(
    frame: tuple[int, int, int, int], shape: tuple[int, ...], alpha: np.ndarray | None
) -> np.ndarray | None:
    """The alpha (H, W) of a first frame that may be smaller than its screen."""
    left, top, right, bottom = frame
    height, width = shape
    if left <= 0 and top <= 0 and right >= width and bottom >= height:
        return alpha
    out = np.zeros((height, width), np.uint8)
    out[top:bottom, left:right] = 255 if alpha is None else alpha[top:bottom, left:right]
    return out


# Grounds of transparent pictures


def _laid(rgb: np.ndarray, alpha: np.ndarray | None, seen: Seen) -> np.ndarray:
    """The pixels (H, W, 3) laid on the ground on which more of them can be seen."""
    if alpha is None:
        return rgb
    seen.visible = _share(alpha > 8)
    if alpha.min(initial=255) == 255:
        return rgb
    rows = max(1, _BAND_PIXELS // 4 // alpha.shape[1])
    bands = [slice(top, top + rows) for top in range(0, len(rgb), rows)]
    seen.ground = _ground([(rgb[band], alpha[band]) for band in bands])
    out = rgb if rgb.flags.writeable else np.empty_like(rgb)
    for band in bands:
        clear = Image.fromarray(np.dstack([rgb[band], alpha[band]]))
        canvas = Image.new("RGBA", clear.size, (*[GROUNDS[seen.ground]] * 3, 255))
        out[band] = np.asarray(Image.alpha_composite(canvas, clear).convert("RGB"))
    return out


def _ground(bands: Sequence[tuple[np.ndarray, np.ndarray]]) -> str:
    """One of GROUNDS for bands of pixels (h, w, 3) and alpha (h, w)."""
    visible, light, dark = 0, 0, 0
    for rgb, alpha in bands:
        weight = np.where(alpha > 8, alpha, 0).astype(np.uint16)  # times 255
        visible += int(np.count_nonzero(weight))
        light += int(np.count_nonzero(weight * (255 - rgb.min(axis=2)) > _STANDS_OUT * 255))
        dark += int(np.count_nonzero(weight * rgb.max(axis=2) > _STANDS_OUT * 255))
    return "white" if light >= min(_LEAST_SEEN * visible, dark) else "black"


def _share(found: np.ndarray) -> float:
    return float(np.count_nonzero(found) / max(1, found.size))


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
    alpha = np.empty(values.shape[:2], np.uint8) if has_alpha else None
    for top in range(0, len(values), rows):
        band = values[top : top + rows]
        colours = np.repeat(band[..., None], 3, axis=2) if grey else band[..., :3]
        light = levels.to_share(colours, negative=declared.negative)
        if isinstance(found, np.ndarray) or found is None:
            rgb = _converted(np.round(light * 255).astype(np.uint8), found)
        else:
            rgb = found.shares_to_srgb(light)
        if alphas is not None and alpha is not None:
            alpha[top : top + rows] = np.round(alphas.to_share(band[..., 3]) * 255)
        out[top : top + rows] = rgb
    return _laid(out, alpha, seen)


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
