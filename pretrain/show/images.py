"""What a checkpoint sees in given pictures: reconstruction, attention, nearest neighbours.

Letters: N pictures, M candidates, D encoder width, S pixels per side, L patches, H heads.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emo8.core.inside import cell_bytes
from pretrain.config.settings import PretrainConfig
from pretrain.data.dataset import decode, open_dataset, roots, split_names
from pretrain.models.uniemox import UniEmoX
from pretrain.show import rows as show
from pretrain.show.embed import decoded_chunks
from pretrain.show.rows import COLUMNS, Picture, ShownRow, shown_views
from pretrain.views.cut import centre_box, cut, normalise
from pretrain.weights import encoder as checkpoint
from pretrain.weights.classifier import decode_file

NEIGHBOURS = 3
NOBODY = -2.0  # below every cosine: a picture is not its own neighbour


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Everything shown of one picture."""

    row: ShownRow
    attention: Picture  # uint8 (S, S, 3): where the CLS token looks in the last block, in red
    neighbours: list[Neighbour]  # most similar first


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A picture the encoder finds similar."""

    name: str
    picture: Picture  # uint8 (S, S, 3)
    sim: float  # cosine of the features


@torch.inference_mode()
def see(
    run: Path, pictures: Sequence[Path], *, among: str | None = None, seed: int = 0
) -> list[Seen]:
    """What the checkpoint makes of the pictures; ValueError names a file that is none.

    Scene: the middle square; person: its middle half in each direction, for lack of a box.
    Neighbours come from all rows of the dataset `among`, or from the other pictures given.
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
    encoder = checkpoint.load_encoder(run)
    features = torch.from_numpy(encoder.features([image.numpy() for image in decoded]))
    if among is None:
        names = [path.name for path in pictures]
        others = _cosines(features, features).fill_diagonal_(NOBODY)
        nearest = rank(others, lambda row: (names[row], shown[0][row].input))
    else:
        rows = DatasetPictures(among, config.model.image_size)
        nearest = rank(_cosines(features, rows.features(encoder)), rows.picture)
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
    prefix = model.mae.num_prefix_tokens

    def remember(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found.append(inputs[0][:, :, 0, prefix:].mean(dim=1))  # of (N, H, T, T) weights

    fused, attention.fused_attn = attention.fused_attn, False  # the fused kernel shows no weights
    hook = attention.attn_drop.register_forward_pre_hook(remember)
    try:
        model.mae.encode(pixels)
    finally:
        hook.remove()
        attention.fused_attn = fused
    return found[0]


def rank(
    cosines: Tensor, picture_of: Callable[[int], tuple[str, Picture]]
) -> list[list[Neighbour]]:
    """For each row of cosines (N, M) the most similar pictures, at most NEIGHBOURS."""
    best = cosines.topk(min(NEIGHBOURS, cosines.shape[1]), dim=1)
    found = []
    for columns, sims in zip(best.indices.tolist(), best.values.tolist(), strict=True):
        line = []
        for column, sim in zip(columns, sims, strict=True):
            if sim > NOBODY:
                name, picture = picture_of(column)
                line.append(Neighbour(name=name, picture=picture, sim=sim))
        found.append(line)
    return found


class DatasetPictures:
    """All pictures of a dataset as candidates; those that do not decode are passed over."""

    def __init__(self, data: str, side_px: int) -> None:
        self._splits = [open_dataset(data, name) for name in split_names(data)]
        self._roots = roots(data, self._splits[0])
        self._side_px = side_px
        self._places: list[tuple[int, int]] = []  # split and row of each candidate

    def features(self, encoder: checkpoint.Encoder) -> Tensor:
        """(M, 2 D) of every picture that decodes."""
        found = []
        for number, split in enumerate(self._splits):
            for rows, images in decoded_chunks(split, self._roots):
                self._places += [(number, row) for row in rows]
                found.append(torch.from_numpy(encoder.features(images)))
        return torch.cat(found)

    def picture(self, candidate: int) -> tuple[str, Picture]:
        """Name and middle square of a candidate."""
        number, row = self._places[candidate]
        line = self._splits[number][row]
        image = decode(cell_bytes(line["image"], *self._roots))
        crop = cut(image, centre_box(image.shape[1], image.shape[0]), self._side_px)
        name = str(line.get("id") or f"row {row}")[:12]
        return name, crop.permute(1, 2, 0).contiguous().numpy()


def page(seen: Sequence[Seen]) -> str:
    """One HTML page with everything inside it."""
    head = "".join(f"<th>{name}</th>" for name in (*COLUMNS, "attention", "nearest"))
    lines = []
    for one in seen:
        cells = "".join(f"<td>{_image(cell)}</td>" for cell in cells_of(one))
        figures = "".join(
            f"<figure>{_image(near.picture)}<figcaption>"
            f"{html.escape(near.name)} {near.sim:.2f}</figcaption></figure>"
            for near in one.neighbours
        )
        lines.append(f"<tr><th>{html.escape(one.row.id)}</th>{cells}<td>{figures}</td></tr>")
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


def _cosines(a: Tensor, b: Tensor) -> Tensor:
    """(N, M) between the rows of a (N, D) and b (M, D)."""
    return torch.nn.functional.normalize(a, dim=-1) @ torch.nn.functional.normalize(b, dim=-1).T


def _image(picture: Picture) -> str:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(data, "PNG")
    return f'<img src="data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}">'
