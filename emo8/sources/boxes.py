"""Person boxes as sources write them, as corners in fractions of the upright picture.

A list of four numbers does not say what it is: corners in pixels and COCO's corner with width and
height look alike. So plain lists are our own form, corners as fractions, unless the recipe names
another one with `boxes`; named corners (`xmin`, `width`, …) say it themselves. Pixels are scaled by
the picture's size. Boxes that fit in none of this are no claim: a detector looks instead, and the
build says how many there were.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from emo8.core.json_text import parse_json

Box = dict[str, float]  # x0, y0, x1, y1, score
BOX_FORMS = ("xyxy", "xywh", "cxcywh")  # of lists of four numbers, named as torchvision does
_KEYS = {
    ("x0", "y0", "x1", "y1"): "xyxy",
    ("xmin", "ymin", "xmax", "ymax"): "xyxy",
    ("x_min", "y_min", "x_max", "y_max"): "xyxy",
    ("x1", "y1", "x2", "y2"): "xyxy",
    ("left", "top", "right", "bottom"): "xyxy",
    ("x", "y", "w", "h"): "xywh",
    ("x", "y", "width", "height"): "xywh",
    ("left", "top", "width", "height"): "xywh",
    ("cx", "cy", "w", "h"): "cxcywh",
}
_LISTS = ("bbox", "box", "xyxy")  # keys that hold a list of four
_SCORES = ("score", "confidence", "conf")
_TOLERANCE = 0.02  # of a side: how far a fraction may lie outside
_MIN_INSIDE = 0.5  # of a box's area; less is a box of another picture


class BoxError(ValueError):
    """Boxes that are not understood; the message says why, and what to write."""


def parse(value: Any, form: str) -> tuple[list[Box], bool] | None:
    """Boxes as corners, and whether they are in pixels; None where the source did not look.

    `form` is the recipe's word for lists of four, "" for none. BoxError for anything else.
    """
    if isinstance(value, str):  # text files hold them as JSON
        try:
            value = parse_json(value) if value.strip() else None
        except ValueError:
            raise BoxError("no JSON") from None
    if value is None:
        return None
    found = [_box(item, form) for item in _items(value)]
    boxes = [box for box, _ in found]
    pixels = any(not -_TOLERANCE <= box[key] <= 1 + _TOLERANCE
                 for box in boxes for key in ("x0", "y0", "x1", "y1"))  # fmt: skip
    if pixels and not all(says_so for _, says_so in found):
        raise BoxError(f"numbers over 1 in lists of four: write boxes = {' or '.join(BOX_FORMS)}")
    if any(box["x1"] <= box["x0"] or box["y1"] <= box["y0"] for box in boxes):
        raise BoxError("corners in the wrong order: write boxes = xywh if these are sizes")
    return boxes if pixels else [_clipped(box) for box in boxes], pixels


def scaled(boxes: Sequence[Box], data: bytes) -> list[Box]:
    """Boxes in pixels of the upright picture as fractions; BoxError where they do not fit in it."""
    width, height = _upright_size(data)
    sides = {"x0": width, "x1": width, "y0": height, "y1": height, "score": 1}
    return [_clipped({key: box[key] / sides[key] for key in box}) for box in boxes]


def _items(value: Any) -> list[Any]:
    """The boxes one by one: of a list, of one box alone, or of one list per corner."""
    if isinstance(value, dict):
        columns = {key: cells for key, cells in value.items() if isinstance(cells, list)}
        if columns and len({len(cells) for cells in columns.values()}) == 1:
            rows = zip(*columns.values(), strict=True)
            if _is_one_box(value):
                return [value]
            return [dict(zip(columns, row, strict=True)) for row in rows]
        return [value]
    if not isinstance(value, list | tuple):
        raise BoxError(f"no list, but {type(value).__name__}")
    return [list(value)] if value and _is_number(value[0]) else list(value)


def _is_one_box(value: dict[str, Any]) -> bool:
    """Whether a list under `bbox` is one box and not a list of them."""
    cells: Any = next((value[key] for key in _LISTS if key in value), None)
    return bool(cells) and _is_number(cells[0])


def _box(item: Any, form: str) -> tuple[Box, bool]:
    """One box as corners, and whether its form was named by itself or by the recipe."""
    score: Any = 1.0
    numbers: Any = item
    named = bool(form)
    if isinstance(item, dict):
        score = next((item[key] for key in _SCORES if item.get(key) is not None), 1.0)
        keys = next((keys for keys in _KEYS if all(key in item for key in keys)), None)
        if keys:
            numbers, form, named = [item[key] for key in keys], _KEYS[keys], True
        else:
            numbers = next((item[key] for key in _LISTS if key in item), None)
    if not isinstance(numbers, list | tuple) or len(numbers) not in (4, 5):
        raise BoxError("no four numbers")
    if len(numbers) == 5:
        numbers, score = numbers[:4], numbers[4]
    if not all(_is_number(number) and math.isfinite(number) for number in (*numbers, score)):
        raise BoxError("no four numbers")
    return {**_corners([float(number) for number in numbers], form), "score": float(score)}, named


def _corners(numbers: Sequence[float], form: str) -> Box:
    a, b, c, d = numbers
    if form == "xywh":
        return {"x0": a, "y0": b, "x1": a + c, "y1": b + d}
    if form == "cxcywh":
        return {"x0": a - c / 2, "y0": b - d / 2, "x1": a + c / 2, "y1": b + d / 2}
    return {"x0": a, "y0": b, "x1": c, "y1": d}


def _clipped(box: Box) -> Box:
    """The part of a box in fractions inside the picture; BoxError where little of it is."""
    inside = {key: min(max(box[key], 0.0), 1.0) for key in ("x0", "y0", "x1", "y1")}
    if _area(inside) < _MIN_INSIDE * _area(box):
        raise BoxError("outside the picture")
    return {**inside, "score": box["score"]}


def _area(box: Box) -> float:
    return (box["x1"] - box["x0"]) * (box["y1"] - box["y0"])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _upright_size(data: bytes) -> tuple[int, int]:
    """Width and height as people see the picture; BoxError where it does not decode."""
    from emo8.core.images import DecodeError, decode

    try:
        decoded = decode(data)
    except DecodeError:
        raise BoxError("pixels of a picture that does not decode") from None
    return decoded.width, decoded.height
