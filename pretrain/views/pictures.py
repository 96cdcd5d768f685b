"""From encoded bytes to the two views of a picture, with one decode.

A JPEG is decoded no larger than the views need (`emo8/core/scaled_jpeg.py`), everything else whole.
Decoding is emo8's alone, and imported where it happens: training from a cache needs none of it.

Letters: H W pixels, C channels, S pixels per side of a view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pretrain.config.settings import ViewConfig
from pretrain.views.cut import Box, cut, person_region

if TYPE_CHECKING:
    from emo8.core.scaled_jpeg import ScaledJpeg

Size = tuple[int, int]  # width, height
Flips = tuple[bool, bool]  # of scene and person view, left to right


class UnreadableImageError(ValueError):
    """A picture that does not decode; the row is skipped and counted."""


class Picture(Protocol):
    """Sizes that boxes are drawn in, and the views that are cut at them."""

    @property
    def scene_size(self) -> Size: ...
    @property
    def person_size(self) -> Size | None:
        """Of the person's region; None where nobody is found."""
        ...

    def cut_views(
        self, scene: Box, person: Box, size: int, flips: Flips = (False, False)
    ) -> tuple[Tensor, Tensor]:
        """Both views, uint8 (C, S, S): boxes of the whole picture and of the person's region, or of
        the whole picture again where there is no region. UnreadableImageError if broken.
        """
        ...


class Pixels(NamedTuple):
    """What is decoded of one row."""

    scene: Tensor  # uint8 (H, W, C), the whole picture
    person: Tensor | None  # uint8 (H, W, C), the person's region; None where nobody is found

    @property
    def scene_size(self) -> Size:
        return self.scene.shape[1], self.scene.shape[0]

    @property
    def person_size(self) -> Size | None:
        return None if self.person is None else (self.person.shape[1], self.person.shape[0])

    def cut_views(
        self, scene: Box, person: Box, size: int, flips: Flips = (False, False)
    ) -> tuple[Tensor, Tensor]:
        region = self.scene if self.person is None else self.person
        return (
            cut(self.scene, scene, size, flip=flips[0]),
            cut(region, person, size, flip=flips[1]),
        )


class Jpeg:
    """A JPEG that is not decoded yet."""

    def __init__(
        self, file: ScaledJpeg, people: Sequence[Mapping[str, Any]] | None, views: ViewConfig
    ) -> None:
        self._file, self.scene_size = file, file.size
        self._region = person_region(people, *self.scene_size, views)

    @property
    def person_size(self) -> Size | None:
        if self._region is None:
            return None
        left, top, right, bottom = self._region
        return right - left, bottom - top

    def cut_views(
        self, scene: Box, person: Box, size: int, flips: Flips = (False, False)
    ) -> tuple[Tensor, Tensor]:
        from emo8.core.images import DecodeError
        from emo8.core.scaled_jpeg import DCT_SCALES

        if self._region is not None:
            left, top = self._region[:2]
            person = (person[0] + left, person[1] + top, person[2] + left, person[3] + top)
        smaller = min(min(b[2] - b[0], b[3] - b[1]) for b in (scene, person))
        scale = next((scale for scale in DCT_SCALES if smaller >= scale * size), 1)
        try:
            pixels, scale = self._file.decode(scale)
        except DecodeError as problem:
            raise UnreadableImageError(str(problem)) from problem
        return (
            _cut(pixels, _shrunk(scene, scale, pixels), size, flip=flips[0]),
            _cut(pixels, _shrunk(person, scale, pixels), size, flip=flips[1]),
        )


def open_picture(
    data: bytes | None, people: Sequence[Mapping[str, Any]] | None, views: ViewConfig
) -> Picture:
    """A picture ready to be cut, decoded only where it must be; UnreadableImageError if broken."""
    from emo8.core.images import DecodeError
    from emo8.core.scaled_jpeg import open_jpeg

    try:
        jpeg = open_jpeg(data) if data else None
    except DecodeError as problem:
        raise UnreadableImageError(str(problem)) from problem
    if jpeg is not None:
        return Jpeg(jpeg, people, views)
    return whole_picture(decode(data), people, views)


def whole_picture(
    scene: Tensor, people: Sequence[Mapping[str, Any]] | None, views: ViewConfig
) -> Pixels:
    """The decoded picture and the person's region in it."""
    height, width, _ = scene.shape
    region = person_region(people, width, height, views)
    if region is None:
        return Pixels(scene, None)
    left, top, right, bottom = region
    return Pixels(scene, scene[top:bottom, left:right])


def decode(data: bytes | None) -> Tensor:
    """uint8 (H, W, 3) upright sRGB on its ground; UnreadableImageError if broken."""
    from emo8.core.images import DecodeError
    from emo8.core.images import decode as decode_bytes

    if not data:
        raise UnreadableImageError("no image bytes")
    try:
        pixels = decode_bytes(data).rgb
    except DecodeError as problem:
        raise UnreadableImageError(str(problem)) from problem
    return torch.from_numpy(np.require(pixels, requirements=["C", "W"]))


def _cut(pixels: NDArray[np.uint8], box: Box, size: int, *, flip: bool) -> Tensor:
    """uint8 (C, S, S): the box, halved as often as it can be (a mean of four), then resized.

    As smooth as `views.cut` and, with OpenCV, three times as fast. Channels lie innermost in
    memory.
    """
    import cv2

    left, top, right, bottom = box
    part = pixels[top:bottom, left:right]
    while min(part.shape[:2]) >= 2 * size:
        height, width = part.shape[0] // 2, part.shape[1] // 2
        part = cv2.resize(
            part[: 2 * height, : 2 * width], (width, height), None, 0, 0, cv2.INTER_AREA
        )
    if part.shape[:2] != (size, size):
        part = cv2.resize(part, (size, size), interpolation=cv2.INTER_LINEAR)
    part = cv2.flip(part, 1) if flip else part
    if part.base is not None:
        part = part.copy()  # the canvas is drawn over
    return torch.from_numpy(part).permute(2, 0, 1)


def _shrunk(box: Box, scale: int, pixels: NDArray[np.uint8]) -> Box:
    """The box in a picture decoded at 1/scale."""
    if scale == 1:
        return box
    width, height = round((box[2] - box[0]) / scale), round((box[3] - box[1]) / scale)
    left = min(round(box[0] / scale), pixels.shape[1] - width)
    top = min(round(box[1] / scale), pixels.shape[0] - height)
    return left, top, left + width, top + height
