"""What a checkpoint sees in given pictures: reconstruction, attention, nearest neighbours.

Letters: N pictures, S pixels per side, L patches, K neighbours, H heads.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pretrain import checkpoint, show
from pretrain.classifier import decode_file
from pretrain.config import PretrainConfig
from pretrain.models.uniemox import UniEmoX
from pretrain.show import COLUMNS, Picture, ShownRow, shown_views
from pretrain.views import centre_box, cut, normalise

NEIGHBOURS = 3


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Everything shown of one picture."""

    row: ShownRow
    attention: Picture  # uint8 (S, S, 3): where the CLS token looks in the last block, in red
    neighbours: list[tuple[int, float]]  # other pictures given, most similar first, with cosine


@torch.inference_mode()
def see(run: Path, pictures: Sequence[Path], *, seed: int = 0) -> list[Seen]:
    """What the checkpoint makes of the pictures; ValueError names a file that is none.

    Scene: the middle square; person: its middle half in each direction, for lack of a box.
    """
    model, config = checkpoint.load_model(run)
    decoded = [decode_file(path) for path in pictures]
    scenes = torch.stack([_crop(image, config, 1.0) for image in decoded])
    people = torch.stack([_crop(image, config, 0.5) for image in decoded])
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(2, len(decoded), config.model.num_patches, generator=generator)
    pixels = [normalise(view, config.views.mean, config.views.std) for view in (scenes, people)]
    views = model.encode_views(pixels[0], pixels[1], noise[0], noise[1])
    shown = [shown_views(model, config, *pair) for pair in zip(pixels, views, strict=True)]
    maps = attention_maps(model, pixels[0])
    nearest = neighbours(model.mae.encode(pixels[0])[:, 1:].mean(dim=1))
    return [
        Seen(
            row=ShownRow(id=path.name, scene=shown[0][row], person=shown[1][row]),
            attention=_overlay(scenes[row], maps[row]),
            neighbours=nearest[row],
        )
        for row, path in enumerate(pictures)
    ]


def attention_maps(model: UniEmoX, pixels: Tensor) -> Tensor:
    """(N, L): the CLS token's attention to each patch in the last block, mean over heads."""
    found: list[Tensor] = []
    attention = model.mae.blocks[-1].attn

    def remember(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        tokens = inputs[0]
        count, length, width = tokens.shape
        qkv = attention.qkv(tokens).reshape(count, length, 3, attention.num_heads, -1)
        q, k, _ = qkv.permute(2, 0, 3, 1, 4)  # each (N, H, 1 + L, D/H)
        weights = (q[:, :, :1] * (width // attention.num_heads) ** -0.5) @ k.transpose(-2, -1)
        found.append(weights.softmax(dim=-1)[:, :, 0, 1:].mean(dim=1))

    hook = attention.register_forward_pre_hook(remember)
    try:
        model.mae.encode(pixels)
    finally:
        hook.remove()
    return found[0]


def neighbours(features: Tensor) -> list[list[tuple[int, float]]]:
    """For each row of features (N, D) the other rows, most similar first, at most NEIGHBOURS."""
    unit = torch.nn.functional.normalize(features, dim=-1)
    sims = unit @ unit.T
    sims.fill_diagonal_(-2.0)
    best = sims.topk(min(NEIGHBOURS, len(features) - 1), dim=1)
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [list(zip(rows, values, strict=True)) for rows, values in pairs]


def page(seen: Sequence[Seen]) -> str:
    """One HTML page with everything inside it."""
    head = "".join(f"<th>{name}</th>" for name in (*COLUMNS, "attention", "nearest"))
    lines = []
    for one in seen:
        cells = "".join(f"<td>{_image(cell)}</td>" for cell in cells_of(one))
        near = "".join(
            f"<figure>{_image(seen[row].row.scene.input)}<figcaption>"
            f"{html.escape(seen[row].row.id)} {sim:.2f}</figcaption></figure>"
            for row, sim in one.neighbours
        )
        lines.append(f"<tr><th>{html.escape(one.row.id)}</th>{cells}<td>{near}</td></tr>")
    return (
        "<!doctype html><meta charset=utf-8><title>UniEmoX</title>"
        "<style>body{font:14px sans-serif}img{width:112px;image-rendering:pixelated}"
        "figure{display:inline-block;margin:2px}</style>"
        f"<table><tr><th></th>{head}</tr>{''.join(lines)}</table>\n"
    )


def cells_of(seen: Seen) -> list[Picture]:
    """The pictures of one line: both views three times, then attention."""
    return [*show.cells_of(seen.row), seen.attention]


def _crop(image: Tensor, config: PretrainConfig, share: float) -> Tensor:
    left, top, right, bottom = centre_box(image.shape[1], image.shape[0])
    inset = round((right - left) * (1 - share) / 2)
    inner = (left + inset, top + inset, max(left + inset + 1, right - inset), bottom - inset)
    return cut(image, (*inner[:3], max(inner[1] + 1, inner[3])), config.model.image_size)


def _overlay(scene: Tensor, attention: Tensor) -> Picture:
    """The scene (C, S, S) darkened where CLS does not look, reddened where it does."""
    side = round(attention.numel() ** 0.5)
    grid = (attention / attention.max()).view(1, 1, side, side)
    wide = torch.nn.functional.interpolate(grid, size=scene.shape[-2:], mode="nearest")[0, 0]
    grey = scene.float().mean(dim=0)
    red = torch.stack([grey * 0.4 + 150 * wide, grey * 0.4, grey * 0.4], dim=-1)
    picture: Picture = red.clamp(0, 255).to(torch.uint8).numpy()
    return picture


def _image(picture: Picture) -> str:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(data, "PNG")
    return f'<img src="data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}">'
