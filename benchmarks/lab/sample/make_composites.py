"""Drawn people laid on scenes, so that exact person boxes exist.

The corpus has no person boxes. Here an alpha-cut figure is trimmed, scaled, toned a little towards
the scene and laid on it; its box is read from the alpha mask on the final canvas, so it is exact:
the outermost pixels of which the figure covers at least half. The soft shadow does not count.

A "scene" is a crop of the scene picture and keeps its style. A "cover" puts a headline over it and
is an advertising cover. Everything random comes from the seed and the composite's name.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.lab.sample.picks import Composite

COVERED = 128  # alpha from which a pixel belongs to the figure
TONE = 0.10  # share of the scene's mean colour mixed into a figure
COVER_SIZE = (256, 340)
HEADLINE_HEIGHT = 62
JPEG_QUALITY = 87

# stance -> (least and greatest height as a share of the canvas, casts a shadow)
_STANCES: dict[str, tuple[float, float, bool]] = {
    "stand": (0.66, 0.82, True),
    "bust": (0.60, 0.72, False),
    "fly": (0.50, 0.60, False),
}


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A finished composite: its pixels, and one box per figure, most prominent first."""

    image: Image.Image
    people: list[dict[str, float]]

    def jpeg(self) -> bytes:
        """The picture as JPEG with full colour resolution, so that drawn edges stay clean."""
        file = io.BytesIO()
        self.image.save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True)
        return file.getvalue()


def compose(plan: Composite, scene: Image.Image, figures: list[Image.Image], seed: int) -> Composed:
    """The composite that `plan` asks for, from the decoded scene and its RGBA figures."""
    rng = random.Random(f"{seed}:{plan.name}")
    if plan.layout == "cover":
        canvas = _cover(scene.convert("RGB"), plan.title, rng)
    else:
        canvas = _crop(scene.convert("RGB"), 1.5 if len(figures) == 1 else 2.0, rng)
    stances = [figure.stance for figure in plan.figures]
    masks = []
    for slot, (figure, stance) in enumerate(zip(figures, stances, strict=True)):
        figure = _fit(figure, stance, canvas.size, len(figures), rng)
        left, top = _position(figure, stance, canvas.size, (slot, len(figures)), rng)
        masks.append(_lay(canvas, figure, (left, top), shadow=_STANCES[stance][2]))
    people = [box_of(mask) for mask in masks]
    return Composed(image=canvas, people=sorted(people, key=_area, reverse=True))


def box_of(mask: np.ndarray) -> dict[str, float]:
    """The box of an alpha mask (H, W) as fractions of its size, right and lower edge exclusive."""
    rows, columns = np.nonzero(mask >= COVERED)
    height, width = mask.shape
    return {
        "x0": float(columns.min() / width),
        "y0": float(rows.min() / height),
        "x1": float((columns.max() + 1) / width),
        "y1": float((rows.max() + 1) / height),
        "score": 1.0,
    }


def _area(box: dict[str, float]) -> float:
    return (box["x1"] - box["x0"]) * (box["y1"] - box["y0"])


def _crop(scene: Image.Image, aspect: float, rng: random.Random) -> Image.Image:
    """The largest window of this aspect at a random place along the free side."""
    width = min(scene.width, round(scene.height * aspect))
    height = min(scene.height, round(scene.width / aspect))
    left = rng.randint(0, scene.width - width)
    top = scene.height - height  # keep the ground that the figures stand on
    return scene.crop((left, top, left + width, top + height))


def _cover(scene: Image.Image, title: str, rng: random.Random) -> Image.Image:
    """A portrait page: headline on a band in the scene's own colour, the scene below it."""
    width, height = COVER_SIZE
    body = _crop(scene, width / (height - HEADLINE_HEIGHT), rng)
    body = body.resize((width, height - HEADLINE_HEIGHT), Image.Resampling.LANCZOS)
    band = tuple(round(value * 0.45) for value in _mean_color(body))
    page = Image.new("RGB", COVER_SIZE, band)
    page.paste(body, (0, HEADLINE_HEIGHT))
    draw = ImageDraw.Draw(page)
    words, _, line = title.partition("|")
    draw.text((width / 2, 25), words, "#FFF6E0", _font(draw, words, 38), anchor="mm")
    draw.text((width / 2, 49), line, "#FFD98A", _font(draw, line, 12), anchor="mm")
    return page


def _font(draw: ImageDraw.ImageDraw, text: str, size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font at the largest size up to `size` at which the text fits the page."""
    for points in range(size, 7, -1):
        font = ImageFont.load_default(points)
        if draw.textlength(text, font) <= COVER_SIZE[0] * 0.9:
            break
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow without FreeType"
    return font


def _fit(
    figure: Image.Image, stance: str, canvas: tuple[int, int], count: int, rng: random.Random
) -> Image.Image:
    """The figure trimmed to what it covers, perhaps mirrored, and scaled to the canvas."""
    least, greatest, _ = _STANCES[stance]
    alpha = figure.getchannel("A").point(lambda value: 255 if value >= COVERED else 0)
    figure = figure.crop(alpha.getbbox())
    if rng.random() < 0.5:
        figure = figure.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    most_wide = canvas[0] * (0.6 if count == 1 else 0.38)
    scale = min(rng.uniform(least, greatest) * canvas[1] / figure.height, most_wide / figure.width)
    size = (max(1, round(figure.width * scale)), max(1, round(figure.height * scale)))
    return figure.resize(size, Image.Resampling.LANCZOS)


def _position(
    figure: Image.Image,
    stance: str,
    canvas: tuple[int, int],
    slot: tuple[int, int],
    rng: random.Random,
) -> tuple[int, int]:
    """Left and top of the figure: its share of the width, and where its stance puts it."""
    number, count = slot
    middle = rng.uniform(0.32, 0.68) if count == 1 else 0.27 + 0.46 * number
    left = round(min(max(middle * canvas[0] - figure.width / 2, 4), canvas[0] - figure.width - 4))
    if stance == "bust":
        return left, canvas[1] - figure.height
    if stance == "fly":
        return left, round(rng.uniform(0.25, 0.38) * canvas[1])
    return left, canvas[1] - figure.height - round(rng.uniform(0.03, 0.07) * canvas[1])


def _lay(
    canvas: Image.Image, figure: Image.Image, corner: tuple[int, int], *, shadow: bool
) -> np.ndarray:
    """The figure's alpha mask (H, W) on the canvas, after painting it there."""
    if shadow:
        _paint_shadow(canvas, figure, corner)
    tint = Image.new("RGB", figure.size, _mean_color(canvas))
    toned = Image.blend(figure.convert("RGB"), tint, TONE)
    canvas.paste(toned, corner, figure.getchannel("A"))
    mask = Image.new("L", canvas.size)
    mask.paste(figure.getchannel("A"), corner)
    return np.asarray(mask)


def _paint_shadow(canvas: Image.Image, figure: Image.Image, corner: tuple[int, int]) -> None:
    """Darken a soft ellipse on the ground under the figure."""
    middle = corner[0] + figure.width / 2
    ground = corner[1] + figure.height
    half_wide, half_high = figure.width * 0.45, max(3.0, figure.height * 0.035)
    shade = Image.new("L", canvas.size)
    box = (middle - half_wide, ground - half_high, middle + half_wide, ground + half_high)
    ImageDraw.Draw(shade).ellipse(box, fill=110)
    shade = shade.filter(ImageFilter.GaussianBlur(half_high * 0.7))
    canvas.paste(Image.new("RGB", canvas.size), (0, 0), shade)


def _mean_color(image: Image.Image) -> tuple[int, int, int]:
    """The mean colour of an RGB picture."""
    red, green, blue = np.asarray(image, dtype=np.float64).mean(axis=(0, 1))
    return round(red), round(green), round(blue)
