"""Random changes that make drawings of few artists stand for drawings of many.

Everything works on a whole batch of premultiplied RGBA pictures and returns RGB in 0..1.
Shapes: B pictures, C cache side, S output side, both in pixels.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

# Weights of red, green and blue in luminance, ITU-R BT.601.
_LUMA = torch.tensor([0.299, 0.587, 0.114])


def augment(
    rgba: torch.Tensor, side: int, rng: torch.Generator, strength: float = 1.0
) -> torch.Tensor:
    """Pictures (B, 3, S, S) float32 of cached ones (B, C, C, 4) uint8.

    `strength` multiplies how many of the pictures get each change of colour and line.
    """
    x = rgba.permute(0, 3, 1, 2).float() / 255
    x = _move(x, side, rng)
    alpha = x[:, 3:]
    ground = _backgrounds(len(x), rng)
    ink = _edges(x)
    plain = x[:, :3] + (1 - alpha) * ground
    rgb = torch.where(_chance(len(x), 0.8 * strength, rng), _recolour(plain, rng), plain)
    rgb = torch.where(_chance(len(x), 0.25 * strength, rng), _posterise(rgb, rng), rgb)
    rgb = torch.where(
        _chance(len(x), 0.5 * strength, rng), _draw(rgb, alpha, ground, ink, rng), rgb
    )
    rgb = torch.where(_chance(len(x), 0.15 * strength, rng), _soften(rgb), rgb)
    return rgb.clamp(0, 1)


def _uniform(n: int, low: float, high: float, rng: torch.Generator) -> torch.Tensor:
    """Random numbers (B, 1, 1, 1)."""
    return torch.rand(n, 1, 1, 1, generator=rng) * (high - low) + low


def _chance(n: int, prob: float, rng: torch.Generator) -> torch.Tensor:
    return torch.rand(n, 1, 1, 1, generator=rng) < prob


def _move(x: torch.Tensor, side: int, rng: torch.Generator) -> torch.Tensor:
    """Flipped, turned, stretched and shifted; what comes in from outside is transparent."""
    n = len(x)
    flip = torch.where(_chance(n, 0.5, rng), -1.0, 1.0).flatten()
    angle = _uniform(n, -12, 12, rng).flatten() * math.pi / 180
    # A scale above 1 shows the picture smaller; some much smaller, as a face in a portrait.
    wide = _uniform(n, 0.85, 1.15, rng) * torch.where(_chance(n, 0.1, rng), 1.4, 1.0)
    scale = wide.flatten()
    aspect = torch.exp(_uniform(n, -0.15, 0.15, rng)).flatten()
    shift = torch.rand(n, 2, generator=rng) * 0.2 - 0.1
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = flip * torch.cos(angle) * scale * aspect
    theta[:, 0, 1] = -torch.sin(angle) * scale * aspect
    theta[:, 1, 0] = flip * torch.sin(angle) * scale / aspect
    theta[:, 1, 1] = torch.cos(angle) * scale / aspect
    theta[:, :, 2] = shift
    grid = functional.affine_grid(theta, [n, 4, side, side], align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


def _backgrounds(n: int, rng: torch.Generator) -> torch.Tensor:
    """Colours (B, 3, 1, 1): white half of the time, else light, now and then any colour."""
    grey = _uniform(n, 0.7, 1.0, rng)
    tint = (torch.rand(n, 3, 1, 1, generator=rng) - 0.5) * 0.25
    colour = torch.where(
        _chance(n, 0.25, rng), torch.rand(n, 3, 1, 1, generator=rng), (grey + tint).clamp(0.55, 1)
    )
    return torch.where(_chance(n, 0.5, rng), torch.ones(n, 3, 1, 1), colour)


def _edges(x: torch.Tensor) -> torch.Tensor:
    """How strongly colour or cover changes at each pixel, (B, 1, S, S) from 0 to 1."""
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    across = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]).abs()
    down = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]).abs()
    return torch.maximum(across, down).amax(1, keepdim=True)


def _recolour(rgb: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Turned in hue, more or less saturated, brighter or darker, each for some pictures only."""
    n = len(rgb)
    luma = (rgb * _LUMA.view(1, 3, 1, 1)).sum(1, keepdim=True)
    saturation = torch.where(_chance(n, 0.2, rng), 0.0, _uniform(n, 0.4, 1.4, rng))
    turned = torch.einsum("bij,bjhw->bihw", _hue_turns(n, rng), rgb - luma)
    coloured = luma + saturation * turned
    contrast, shift = _uniform(n, 0.7, 1.2, rng), _uniform(n, -0.08, 0.08, rng)
    return ((coloured - 0.6) * contrast + 0.6 + shift).clamp(0, 1)


def _hue_turns(n: int, rng: torch.Generator) -> torch.Tensor:
    """Rotations about the grey axis (B, 3, 3), small for most pictures and any for a quarter."""
    anywhere = _uniform(n, -math.pi, math.pi, rng)
    angle = torch.where(_chance(n, 0.25, rng), anywhere, anywhere * 0.1).view(n, 1, 1)
    axis = torch.full((3,), 1 / math.sqrt(3))
    cross = torch.linalg.cross(torch.eye(3), axis.expand(3, 3))
    outer = torch.outer(axis, axis)
    return (
        torch.cos(angle) * torch.eye(3) + torch.sin(angle) * cross + (1 - torch.cos(angle)) * outer
    )


def _posterise(rgb: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Few flat tones per channel, as in flat emoji."""
    levels = torch.randint(2, 6, (len(rgb), 1, 1, 1), generator=rng).float()
    return (_soften(rgb) * levels).round() / levels


def _draw(
    rgb: torch.Tensor,
    alpha: torch.Tensor,
    ground: torch.Tensor,
    ink: torch.Tensor,
    rng: torch.Generator,
) -> torch.Tensor:
    """Outlines over the picture, or nothing but outlines over one flat colour."""
    n = len(rgb)
    strength = _uniform(n, 1.5, 5.0, rng)
    thick = functional.max_pool2d(ink, 3, stride=1, padding=1)
    line = torch.where(_chance(n, 0.5, rng), thick, ink)
    line = ((line - _uniform(n, 0.05, 0.3, rng)) * strength).clamp(0, 1)
    dark = _uniform(n, 0.0, 0.25, rng)
    fill = torch.where(
        _chance(n, 0.5, rng), ground, torch.rand(n, 3, 1, 1, generator=rng) * 0.4 + 0.6
    )
    only_lines = _chance(n, 0.4, rng)
    inside = torch.where(only_lines, alpha * fill + (1 - alpha) * ground, rgb)
    return inside * (1 - line) + dark * line


def _soften(rgb: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(functional.pad(rgb, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
