"""A sheet of small pictures with a line of text under each."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from emo8.images import DecodeError, decode

CELL_PX = 160
TEXT_PX = 16
COLUMNS = 6


def contact_sheet(groups: list[tuple[str, list[tuple[bytes, str]]]]) -> bytes:
    """PNG bytes: for each (title, pictures) a heading and rows of pictures with their lines."""
    heights = [_group_height(len(pictures)) for _, pictures in groups]
    sheet = Image.new("RGB", (COLUMNS * CELL_PX, max(1, sum(heights))), "white")
    draw = ImageDraw.Draw(sheet)
    top = 0
    for (title, pictures), height in zip(groups, heights, strict=True):
        draw.text((4, top + 2), title, fill="black")
        for number, (data, line) in enumerate(pictures):
            row, column = divmod(number, COLUMNS)
            left = column * CELL_PX
            down = top + TEXT_PX + row * (CELL_PX + TEXT_PX)
            thumb = _thumbnail(data)
            sheet.paste(thumb, (left + (CELL_PX - thumb.width) // 2, down))
            draw.text((left + 4, down + CELL_PX), line[:26], fill="black")
        top += height
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def _group_height(count: int) -> int:
    rows = -(-count // COLUMNS)
    return TEXT_PX + rows * (CELL_PX + TEXT_PX)


def _thumbnail(data: bytes) -> Image.Image:
    try:
        image = Image.fromarray(decode(data).rgb)
    except DecodeError:
        return Image.new("RGB", (CELL_PX - 8, CELL_PX - 8), "grey")
    image.thumbnail((CELL_PX - 8, CELL_PX - 8))
    return image
