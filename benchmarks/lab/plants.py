"""Kinds of copies to plant: each a function from an RGB picture to a changed one.

`plant` saves the result as a JPEG, as the web would.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def plant(image: Image.Image, kind: str, rng: np.random.Generator) -> bytes:
    """The encoded copy of `image` of one kind."""
    out = io.BytesIO()
    KINDS[kind](image, rng).save(out, "JPEG", quality=35 if kind == "recompressed" else 88)
    return out.getvalue()


def _resized(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    scale = rng.uniform(0.4, 1.6)
    size = (max(32, round(image.width * scale)), max(32, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _enhanced(enhance: Callable[[Image.Image], ImageEnhance._Enhance], *factors: float) -> Change:
    return lambda image, rng: enhance(image).enhance(float(rng.choice(factors)))


def _warm(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    tint = rng.uniform(0.8, 1.15, 3)
    return Image.fromarray(np.clip(np.asarray(image) * tint, 0, 255).astype(np.uint8))


def _hue(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    turn = int(rng.choice([-1, 1]) * rng.uniform(4, 14))  # of 256: 6 to 20 degrees
    turned = hue.point([(level + turn) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _border(color: str) -> Change:
    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        return ImageOps.expand(image, round(rng.uniform(0.03, 0.1) * max(image.size)), color)

    return change


def _crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    keep = rng.uniform(0.9, 0.98)
    width, height = round(image.width * keep), round(image.height * keep)
    left = int(rng.integers(0, image.width - width + 1))
    top = int(rng.integers(0, image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


KINDS: dict[str, Change] = {
    "recompressed": lambda image, rng: image,
    "resized": _resized,
    "brighter_or_darker": _enhanced(ImageEnhance.Brightness, 0.75, 1.25),
    "contrast": _enhanced(ImageEnhance.Contrast, 0.7, 1.3),
    "saturation": _enhanced(ImageEnhance.Color, 0.5, 1.6),
    "tinted": _warm,
    "hue_shifted": _hue,
    "grey": lambda image, rng: image.convert("L").convert("RGB"),
    "white_border": _border("white"),
    "black_border": _border("black"),
    "mirrored": lambda image, rng: ImageOps.mirror(image),
    "light_crop": _crop,
}
