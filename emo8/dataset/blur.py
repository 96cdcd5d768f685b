"""Faces made unrecognisable in what is published, where `[publish] blur_faces` asks for it.

Two witnesses, because each misses much: OpenCV's Haar cascades (frontal, and profiles of both
sides; shipped with opencv-python under Intel's BSD-style licence) and the upper part of every
person box the row has. docs/labels.md says how many faces they find; neither is a guarantee.
Source: Viola and Jones (2001), "Rapid object detection using a boosted cascade of simple features".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels

_FRONTAL = ("haarcascade_frontalface_default.xml", "haarcascade_frontalface_alt2.xml")
_PROFILE = "haarcascade_profileface.xml"  # of faces that look to one side; mirrored for the other
_SCALE_STEP, _NEIGHBOURS = 1.1, 3  # OpenCV's defaults: more faces found, some that are none
_MIN_FACE = 0.04  # of the shorter side; smaller faces are hardly recognisable
_MARGIN = 0.25  # of a face's side, on each side: hair and ears
_HEAD = 0.3  # upper share of a person box that holds the head of one who stands or sits
_TILES = 6  # a face is left as 6 x 6 smooth tiles, from which nobody can be told


@cache
def _cascade(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / name))


def faces(rgb: np.ndarray) -> list[Box]:
    """Faces that the cascades find in a picture (H, W, 3) uint8; one face may come twice."""
    grey = cv2.equalizeHist(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY))
    width = grey.shape[1]
    found = [box for name in _FRONTAL for box in _detect(name, grey)]
    found += _detect(_PROFILE, grey)
    mirrored = _detect(_PROFILE, np.ascontiguousarray(grey[:, ::-1]))
    return found + [(width - x1, y0, width - x0, y1) for x0, y0, x1, y1 in mirrored]


def _detect(name: str, grey: np.ndarray) -> list[Box]:
    least = max(20, round(_MIN_FACE * min(grey.shape)))
    boxes = _cascade(name).detectMultiScale(
        grey, scaleFactor=_SCALE_STEP, minNeighbors=_NEIGHBOURS, minSize=(least, least)
    )
    return [(int(x), int(y), int(x + w), int(y + h)) for x, y, w, h in boxes]


def blur(rgb: np.ndarray, people: Sequence[dict[str, float]] | None) -> tuple[np.ndarray, int]:
    """The picture with faces and heads blurred, and how many regions were."""
    height, width = rgb.shape[:2]
    regions = [_wider(box) for box in faces(rgb)]
    for box in people or ():
        bottom = box["y0"] + _HEAD * (box["y1"] - box["y0"])
        corners = (box["x0"] * width, box["y0"] * height, box["x1"] * width, bottom * height)
        regions.append(tuple(round(value) for value in corners))
    regions = [_inside(box, width, height) for box in regions]
    out = rgb.copy()
    for x0, y0, x1, y1 in regions:
        region = out[y0:y1, x0:x1]
        small = cv2.resize(region, (_TILES, _TILES), interpolation=cv2.INTER_AREA)
        out[y0:y1, x0:x1] = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return out, len(regions)


def _wider(box: Box) -> Box:
    x0, y0, x1, y1 = box
    dx, dy = round(_MARGIN * (x1 - x0)), round(_MARGIN * (y1 - y0))
    return x0 - dx, y0 - dy, x1 + dx, y1 + dy


def _inside(box: Box, width: int, height: int) -> Box:
    """The box cut to the picture, at least one pixel large."""
    x0, y0 = min(max(box[0], 0), width - 1), min(max(box[1], 0), height - 1)
    return x0, y0, max(min(box[2], width), x0 + 1), max(min(box[3], height), y0 + 1)
