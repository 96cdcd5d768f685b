"""Scene and person views: where they are cut from, and the cutting.

Boxes here are (left, top, right, bottom) in whole pixels, right and bottom excluded.

Letters: H W pixels of a picture, C channels, S pixels per side of a view.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pretrain.config.settings import ViewConfig

Box = tuple[int, int, int, int]


def person_region(
    people: Sequence[Mapping[str, Any]] | None, width: int, height: int, config: ViewConfig
) -> Box | None:
    """The square around the most prominent usable person, with margin; None if nobody is found.

    Boxes are fractions of width and height. A box that is not a number, has no area or lies
    outside the picture is passed over. The square is moved and, where it must, cut to fit.
    """
    for person in people or ():
        corners = [person.get(name) for name in ("x0", "y0", "x1", "y1")]
        if any(value is None or not math.isfinite(value) for value in corners):
            continue
        x0, y0, x1, y1 = (min(1.0, max(0.0, float(value))) for value in corners)  # type: ignore[arg-type]
        if x1 <= x0 or y1 <= y0:
            continue
        centre = ((x0 + x1) / 2 * width, (y0 + y1) / 2 * height)
        side = max((x1 - x0) * width, (y1 - y0) * height) * (1 + 2 * config.person_margin)
        side = max(side, float(config.person_min_side_px), 1.0)
        side *= 1 + 2 * config.person_jitter  # room for `jittered`
        left, right = _span(centre[0], side, width)
        top, bottom = _span(centre[1], side, height)
        return left, top, right, bottom
    return None


def jittered(box: Box, jitter: float, draws: Sequence[float] = (0.5, 0.5)) -> Box:
    """The person's square inside a region with room to move; draws of 0.5 leave it in the middle.

    The region was made `1 + 2 * jitter` times as large by `person_region`.
    """
    left, top, right, bottom = box
    width = max(1, round((right - left) / (1 + 2 * jitter)))
    height = max(1, round((bottom - top) / (1 + 2 * jitter)))
    left += round(draws[0] * (right - left - width))
    top += round(draws[1] * (bottom - top - height))
    return left, top, left + width, top + height


def recolour(view: Tensor, factors: Sequence[float]) -> Tensor:
    """The uint8 view (C, S, S) with brightness, contrast and saturation multiplied by factors."""
    brightness, contrast, saturation = factors
    pixels = view.float() * brightness
    pixels = (pixels - pixels.mean()) * contrast + pixels.mean()
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)  # luma of ITU-R BT.601
    grey = (pixels * weights).sum(dim=0, keepdim=True)
    return ((pixels - grey) * saturation + grey).round().clamp(0, 255).to(torch.uint8)


def random_box(
    rng: np.random.Generator,
    width: int,
    height: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> Box:
    """A random part of the picture: area uniform in `scale`, log of width/height in `ratio`.

    The random resized crop of Szegedy et al. (2015), "Going deeper with convolutions", sec. 6. Ten
    tries, then the largest part in the middle that keeps to `ratio`.
    """
    draws = rng.random((10, 4))
    for area_draw, ratio_draw, x_draw, y_draw in draws.tolist():
        area = (scale[0] + (scale[1] - scale[0]) * area_draw) * width * height
        aspect = math.exp(
            math.log(ratio[0]) + (math.log(ratio[1]) - math.log(ratio[0])) * ratio_draw
        )
        crop_width, crop_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            left = int(x_draw * (width - crop_width + 1))
            top = int(y_draw * (height - crop_height + 1))
            return left, top, left + crop_width, top + crop_height
    return centre_box(width, height, ratio)


def centre_box(width: int, height: int, ratio: tuple[float, float] = (1.0, 1.0)) -> Box:
    """The largest part in the middle whose width/height lies within `ratio`."""
    crop_width = max(1, min(width, round(height * ratio[1])))
    crop_height = max(1, min(height, round(width / ratio[0])))
    left, top = (width - crop_width) // 2, (height - crop_height) // 2
    return left, top, left + crop_width, top + crop_height


def cut(image: Tensor, box: Box, size: int, *, flip: bool = False) -> Tensor:
    """uint8 (C, S, S): the box of a uint8 picture (H, W, C), resized with antialiasing."""
    left, top, right, bottom = box
    part = image[top:bottom, left:right].permute(2, 0, 1).unsqueeze(0)
    if part.shape[-2:] != (size, size):
        part = functional.interpolate(part, size=(size, size), mode="bilinear", antialias=True)
    part = part.squeeze(0)
    return part.flip(-1) if flip else part.contiguous()


def shrink(image: Tensor, side_px: int) -> Tensor:
    """The uint8 picture (H, W, C) with its shorter side at most `side_px`."""
    height, width, _ = image.shape
    factor = side_px / min(height, width)
    if factor >= 1:
        return image.contiguous()
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    whole = image.permute(2, 0, 1).unsqueeze(0)
    resized = functional.interpolate(whole, size=size, mode="bilinear", antialias=True)
    return resized.squeeze(0).permute(1, 2, 0).contiguous()


def normalise(
    views: Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    size: int | None = None,
    interpolation: str = "bicubic",
) -> Tensor:
    """Float (B, C, S, S) from uint8 views, resized with antialiasing when `size` differs."""
    pixels = views.float() / 255.0
    if size is not None and pixels.shape[-1] != size:
        pixels = functional.interpolate(
            pixels, size=(size, size), mode=interpolation, antialias=True
        )
        pixels = pixels.clamp(0.0, 1.0)
    shape = (1, -1, 1, 1)
    centre = torch.tensor(mean, device=views.device).view(shape)
    spread = torch.tensor(std, device=views.device).view(shape)
    return (pixels - centre) / spread


def denormalise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 (B, C, S, S) from normalised pixels; the inverse of `normalise` up to rounding."""
    shape = (1, -1, 1, 1)
    spread, centre = torch.tensor(std).view(shape), torch.tensor(mean).view(shape)
    restored = pixels.float().cpu() * spread + centre
    return (restored * 255.0).round().clamp(0, 255).to(torch.uint8)


def _span(centre: float, side: float, limit: int) -> tuple[int, int]:
    """Start and end of an interval of that side around centre, moved and cut into 0..limit."""
    length = min(limit, max(1, round(side)))
    start = min(max(0, round(centre - length / 2)), limit - length)
    return start, start + length
