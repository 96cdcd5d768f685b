"""Sheets of pictures: nothing is lost, cut or laid over another, and memory holds one sheet."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

from emo8.report.contact_sheet import MARK, MISSING, Group, Layout, Tile, draw, png, thumbnail
from emo8.report.figures import png as as_png

LAYOUT = Layout(tile_px=40, columns=3)
COLORS = [(200, 30 + 20 * k, 10) for k in range(10)]


def _tile(color: tuple[int, int, int], text: str = "") -> Tile:
    return Tile(picture=Image.new("RGB", (40, 30), color), text=text)


def _count(sheet: Image.Image, color: tuple[int, int, int] | str) -> int:
    wanted = np.array(Image.new("RGB", (1, 1), color))[0, 0]
    return int((np.asarray(sheet) == wanted).all(axis=2).sum())


def test_draw__every_picture_is_there_whole() -> None:
    (sheet,) = draw([Group(tiles=[_tile(color) for color in COLORS[:7]])], LAYOUT)
    assert [_count(sheet, color) for color in COLORS[:7]] == [40 * 30] * 7


def test_draw__groups_share_a_line_while_they_fit_and_titles_open_one() -> None:
    pair, one = [_tile(COLORS[0]), _tile(COLORS[1])], [_tile(COLORS[2])]

    def height(*groups: Group) -> int:
        (sheet,) = draw(groups, LAYOUT)
        return sheet.height

    together = height(Group(tiles=pair), Group(tiles=one))
    assert together == height(Group(tiles=pair))
    assert height(Group(tiles=pair), Group(tiles=pair)) > together
    assert height(Group(tiles=pair), Group(tiles=one, title="more")) > together


def test_draw__sheets_are_filled_one_after_the_other() -> None:
    taken = []

    def groups() -> Iterator[Group]:
        for color in COLORS:
            taken.append(color)
            yield Group(tiles=[_tile(color)] * 3)

    sheets = draw(groups(), Layout(tile_px=40, columns=3, max_lines=2))
    first = next(sheets)
    assert len(taken) <= 3  # the rest is not read before it is drawn
    assert _count(first, COLORS[0]) == _count(first, COLORS[1]) == 3 * 40 * 30
    assert len(list(sheets)) == 4


def test_draw__marked_groups_open_with_a_red_line() -> None:
    tiles = [_tile(COLORS[0]), _tile(COLORS[1])]
    (plain,) = draw([Group(tiles=tiles)], LAYOUT)
    (marked,) = draw([Group(tiles=tiles, marked=True)], LAYOUT)
    assert _count(plain, MARK) == 0 < _count(marked, MARK)


def test_draw__long_words_stay_below_their_own_picture() -> None:
    long = Group(tiles=[_tile(COLORS[0], "w" * 200), Tile(picture=None)])
    (sheet,) = draw([long], LAYOUT)
    below = np.asarray(sheet.convert("L"))[50:, :]
    assert (below[:, 8:48] < 128).any()
    assert (below[:, 48:] > 250).all()
    assert _count(sheet.crop((56, 8, 96, 48)), MISSING) == 40 * 40  # nothing reaches over


def test_thumbnail__fits_the_tile_and_is_none_for_what_is_no_picture() -> None:
    made = thumbnail(as_png(Image.new("RGB", (400, 100), "teal")), LAYOUT)
    assert made is not None
    assert made.size == (40, 10)
    assert thumbnail(b"no picture", LAYOUT) is None


def test_png__a_title_alone_is_a_sheet() -> None:
    data = png([Group(title="nothing would change", tiles=[])], LAYOUT)
    assert (np.asarray(Image.open(io.BytesIO(data)).convert("L")) < 128).any()
