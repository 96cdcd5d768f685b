"""Pictures of what a run sees and reconstructs.

Letters: B rows, C channels, S pixels per side, L patches, P patch side.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pretrain.config.settings import PretrainConfig
from pretrain.data.batches import fixed_batches
from pretrain.data.cache import open_source
from pretrain.data.dataset import Source, UnreadableImageError
from pretrain.models.mae import patchify, unpatchify
from pretrain.models.uniemox import Encoded, UniEmoX
from pretrain.views.cut import denormalise, normalise
from pretrain.weights import encoder

Picture = NDArray[np.uint8]
COLUMNS = ("scene", "masked", "reconstructed", "person", "masked", "reconstructed")
HEADER_PX = 18  # the line that names the columns of a sheet
GREY = 128
SCANNED_PER_SHOWN = 16  # rows looked at for people, per row shown


@dataclass(frozen=True, kw_only=True)
class ShownView:
    """One view three times, uint8 (S, S, 3) each."""

    input: Picture
    masked: Picture  # hidden patches are grey
    reconstructed: Picture  # hidden patches predicted, visible ones as they are


@dataclass(frozen=True, kw_only=True)
class ShownRow:
    """Both views of a row."""

    id: str
    scene: ShownView
    person: ShownView


@torch.inference_mode()
def show_rows(run: Path, data: str, *, split: str = "val", limit: int = 8) -> list[ShownRow]:
    """Input, masked and reconstructed views of some rows under fixed masks, people first.

    Where the run predicts normalised pixels, each predicted patch gets the true mean and spread
    back, as is usual for MAE: brightness and contrast of a patch are not predicted.
    """
    model, config = encoder.load_model(run)
    rows: list[ShownRow] = []
    source = open_source(data, split, config)
    for batch in fixed_batches(source, config, people_first(source, limit)):
        scene, person = (
            normalise(view, config.views.mean, config.views.std)
            for view in (batch.scene, batch.person)
        )
        views = model.encode_views(scene, person, batch.scene_noise, batch.person_noise)
        scenes = shown_views(model, config, scene, views[0])
        people = shown_views(model, config, person, views[1])
        rows += [
            ShownRow(id=row_id, scene=s, person=p)
            for row_id, s, p in zip(batch.ids, scenes, people, strict=True)
        ]
    return rows


def people_first(source: Source, limit: int) -> list[int]:
    """At most `limit` rows: of the first ones those that show a person, then the others."""
    looked_at = range(min(len(source.ids), SCANNED_PER_SHOWN * limit))
    with_person, without = [], []
    for row in looked_at:
        try:
            (without if source.pixels(row).person is None else with_person).append(row)
        except UnreadableImageError:
            continue
    return (with_person + without)[:limit]


def cells_of(row: ShownRow) -> list[Picture]:
    """The pictures of one line, in the order of COLUMNS."""
    views = (row.scene, row.person)
    return [cell for view in views for cell in (view.input, view.masked, view.reconstructed)]


def contact_sheet(
    rows: list[list[Picture]],
    columns: Sequence[str] = COLUMNS,
    *,
    scale: int = 2,
    gap_px: int = 6,
) -> bytes:
    """PNG: the names of the columns, then one line per row, pixels enlarged `scale` times."""
    from PIL import Image

    lines = [_header(columns, [scale * cell.shape[1] for cell in rows[0]], gap_px)]
    for cells in rows:
        lines.append(_join([_enlarge(cell, scale) for cell in cells], gap_px, axis=1))
    sheet = io.BytesIO()
    Image.fromarray(_join(lines, gap_px, axis=0)).save(sheet, "PNG")
    return sheet.getvalue()


def shown_views(
    model: UniEmoX, config: PretrainConfig, images: Tensor, view: Encoded
) -> list[ShownView]:
    """One view of every row, from its normalised pixels (B, C, S, S) and what was encoded."""
    size = config.model.patch_size
    target = patchify(images, size)  # (B, L, P*P*C)
    pred = model.mae.decode(model.mae.decoder_embed(view.latent), view.masking.restore)
    if config.loss.norm_pix:
        spread = (target.var(dim=-1, keepdim=True) + 1e-6).sqrt()
        pred = pred * spread + target.mean(dim=-1, keepdim=True)
    hidden = view.masking.mask.unsqueeze(-1)  # (B, L, 1)
    inputs = _pictures(target, config)
    reconstructed = _pictures(pred * hidden + target * (1 - hidden), config)
    covered = unpatchify(hidden.expand_as(target), size).permute(0, 2, 3, 1).bool().numpy()
    return [
        ShownView(
            input=inputs[row],
            masked=np.where(covered[row], np.uint8(GREY), inputs[row]),
            reconstructed=reconstructed[row],
        )
        for row in range(len(images))
    ]


def _pictures(patches: Tensor, config: PretrainConfig) -> Picture:
    """uint8 (B, S, S, 3) from normalised patches (B, L, P*P*C)."""
    images = unpatchify(patches, config.model.patch_size)
    restored = denormalise(images, config.views.mean, config.views.std)
    pictures: Picture = restored.permute(0, 2, 3, 1).contiguous().numpy()
    return pictures


def _header(columns: Sequence[str], widths: list[int], gap_px: int) -> Picture:
    """The names of the columns over their middle, as wide as a line of pictures."""
    from PIL import Image, ImageDraw, ImageFont

    strip = Image.new("RGB", (sum(widths) + gap_px * (len(widths) - 1), HEADER_PX), "white")
    pen, left = ImageDraw.Draw(strip), 0
    spans = list(zip(columns, widths, strict=True))
    fonts = (ImageFont.load_default(size) for size in range(HEADER_PX - 4, 7, -1))
    font = next((f for f in fonts if all(f.getlength(n) <= w for n, w in spans)), None)
    for name, width in spans:
        at = (left + width // 2, HEADER_PX - 4)
        pen.text(at, name, fill="#222222", font=font or ImageFont.load_default(7), anchor="ms")
        left += width + gap_px
    return np.asarray(strip)


def _enlarge(picture: Picture, scale: int) -> Picture:
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def _join(pictures: list[Picture], gap_px: int, *, axis: int) -> Picture:
    """The pictures side by side (axis 1) or one above the other (axis 0) with white gaps."""
    parts: list[Picture] = []
    for picture in pictures:
        shape = list(picture.shape)
        shape[axis] = gap_px
        parts += [picture, np.full(shape, 255, np.uint8)]
    return np.concatenate(parts[:-1], axis=axis)
