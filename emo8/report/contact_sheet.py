"""Sheets of small pictures with words below each: what `report`, `duplicates` and `decide` draw.

Groups follow each other along a line while they fit; a group with a title opens a line of its own.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from emo8.core.images import DecodeError, decode

INK, PAPER, MISSING, MARK = "#222222", "white", "#bbbbbb", "#d02020"
LINE_PX = 14  # one line of text
HEADING_PX = 24
GAP_PX = 8
_FONT_PX, _HEADING_FONT_PX = 11, 14


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a sheet is laid out."""

    tile_px: int = 150  # a side of the square that a picture fits in
    columns: int = 6  # tiles per line
    text_lines: int = 1  # lines of text below a tile; longer texts are cut
    max_lines: int = 0  # lines of tiles per sheet; 0: all on one sheet


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A picture and what is said of it."""

    picture: Image.Image | None  # None: a grey square
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pictures that belong together."""

    tiles: list[Tile]
    title: str = ""  # a heading above them
    marked: bool = False  # a red line opens the group


def draw(groups: Iterable[Group], layout: Layout) -> Iterator[Image.Image]:
    """The sheets, one by one; groups are taken as they are drawn, so memory holds one sheet."""
    strips: list[Image.Image] = []
    for strip in _strips(groups, layout):
        strips.append(strip)
        if len(strips) == layout.max_lines:
            yield _stacked(strips)
            strips = []
    if strips:
        yield _stacked(strips)


def png(groups: Iterable[Group], layout: Layout) -> bytes:
    """One sheet with all groups, as PNG bytes."""
    out = io.BytesIO()
    _stacked(list(_strips(groups, layout))).save(out, "PNG", optimize=True)
    return out.getvalue()


def thumbnail(data: bytes, layout: Layout) -> Image.Image | None:
    """The picture shrunk to fit a tile; None for what cannot be decoded."""
    try:
        image = Image.fromarray(decode(data).rgb)
    except DecodeError:
        return None
    image.thumbnail((layout.tile_px, layout.tile_px))
    return image


def end_of_path(path: str, most: int = 24) -> str:
    """A path as it fits below a tile: whole, or its end, where the file's name is."""
    return path if len(path) <= most else f"…{path[1 - most :]}"


def _strips(groups: Iterable[Group], layout: Layout) -> Iterator[Image.Image]:
    """Headings and lines of tiles from top to bottom."""
    line: list[tuple[Tile, bool]] = []
    for group in groups:
        if line and (group.title or len(line) + len(group.tiles) > layout.columns):
            yield _line(line, layout)
            line = []
        if group.title:
            yield _heading(group.title, layout)
        for number, tile in enumerate(group.tiles):
            if len(line) == layout.columns:
                yield _line(line, layout)
                line = []
            line.append((tile, group.marked and number == 0))
    if line:
        yield _line(line, layout)


def _width(layout: Layout) -> int:
    return GAP_PX + layout.columns * (layout.tile_px + GAP_PX)


def _heading(title: str, layout: Layout) -> Image.Image:
    strip = Image.new("RGB", (_width(layout), HEADING_PX), PAPER)
    font = ImageFont.load_default(_HEADING_FONT_PX)
    ImageDraw.Draw(strip).text((GAP_PX, HEADING_PX - 4), title, fill=INK, font=font, anchor="ls")
    return strip


def _line(tiles: list[tuple[Tile, bool]], layout: Layout) -> Image.Image:
    side = layout.tile_px
    height = GAP_PX + side + 2 + layout.text_lines * LINE_PX
    strip = Image.new("RGB", (_width(layout), height), PAPER)
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(_FONT_PX)
    for number, (tile, marked) in enumerate(tiles):
        x, y = GAP_PX + number * (side + GAP_PX), GAP_PX
        if tile.picture is None:
            pen.rectangle((x, y, x + side - 1, y + side - 1), fill=MISSING)
        else:
            corner = (x + (side - tile.picture.width) // 2, y + side - tile.picture.height)
            strip.paste(tile.picture.convert("RGB"), corner)
        for place, words in enumerate(tile.text.split("\n")[: layout.text_lines]):
            below = y + side + 2 + place * LINE_PX
            pen.text((x, below), _cut(words, side, font), fill=INK, font=font)
        if marked:
            pen.line((x - GAP_PX // 2, y, x - GAP_PX // 2, height), fill=MARK, width=3)
    return strip


def _cut(words: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The words, shortened to what `width` pixels hold."""
    if font.getlength(words) <= width:
        return words
    while words and font.getlength(words + "…") > width:
        words = words[:-1]
    return words + "…"


def _stacked(strips: list[Image.Image]) -> Image.Image:
    height = sum(strip.height for strip in strips)
    sheet = Image.new("RGB", (strips[0].width, height + GAP_PX), PAPER)
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height
    return sheet
