"""From encoded bytes to the two views of a picture, with one decode.

A JPEG is decoded no larger than the views need: libjpeg-turbo scales by 1/2, 1/4 or 1/8 while it
decodes (other scales are slower than none). Everything else is decoded whole.

Letters: H W pixels, C channels, S pixels per side of a view.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pretrain.config.settings import ViewConfig
from pretrain.views.cut import Box, cut, person_region

Size = tuple[int, int]  # width, height
Flips = tuple[bool, bool]  # of scene and person view, left to right
DCT_SCALES = (8, 4, 2)
ORIENTATION = 0x0112  # EXIF tag


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
        self, data: bytes, people: Sequence[Mapping[str, Any]] | None, views: ViewConfig
    ) -> None:
        import simplejpeg

        self._data, self._turn = data, _orientation(data)
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        self.scene_size = (height, width) if self._turn >= 5 else (width, height)
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
        if self._region is not None:
            left, top = self._region[:2]
            person = (person[0] + left, person[1] + top, person[2] + left, person[3] + top)
        smaller = min(min(b[2] - b[0], b[3] - b[1]) for b in (scene, person))
        scale = next((scale for scale in DCT_SCALES if smaller >= scale * size), 1)
        try:
            pixels = self._decode(scale)
        except ValueError:  # stricter than Pillow, which has the last word
            pixels, scale = decode(self._data).numpy(), 1
        return (
            _cut(pixels, _shrunk(scene, scale, pixels), size, flip=flips[0]),
            _cut(pixels, _shrunk(person, scale, pixels), size, flip=flips[1]),
        )

    def _decode(self, scale: int) -> NDArray[np.uint8]:
        """uint8 (H / scale, W / scale, 3), upright, until the next decode; ValueError if odd."""
        import simplejpeg

        width, height = self.scene_size if self._turn < 5 else self.scene_size[::-1]
        # plain chroma upsampling and the fast DCT: what they lose is far below what the crop's
        # resizing changes, and they save a tenth of the time
        size = (-(-height // scale), -(-width // scale))
        pixels = simplejpeg.decode_jpeg(
            self._data,
            "RGB",
            fastdct=True,
            fastupsample=True,
            min_height=size[0],
            min_width=size[1],
            buffer=_canvas(3 * size[0] * size[1]),
        )
        return np.ascontiguousarray(_upright(pixels, self._turn))


_OWN = threading.local()


def _canvas(size_bytes: int) -> NDArray[np.uint8]:
    """Memory to decode into, used again and again: fresh memory costs as much as a resize."""
    canvas: NDArray[np.uint8] | None = getattr(_OWN, "canvas", None)
    if canvas is None or canvas.size < size_bytes:
        canvas = _OWN.canvas = np.empty(size_bytes, np.uint8)
    return canvas


def open_picture(
    data: bytes | None, people: Sequence[Mapping[str, Any]] | None, views: ViewConfig
) -> Picture:
    """A picture ready to be cut, decoded only where it must be; UnreadableImageError if broken."""
    if data and data[:2] == b"\xff\xd8":
        import simplejpeg

        try:
            if simplejpeg.decode_jpeg_header(data)[2] not in ("CMYK", "YCCK"):
                return Jpeg(data, people, views)
        except ValueError:
            pass  # Pillow has the last word
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
    """uint8 (H, W, 3) upright RGB, transparent parts on white; UnreadableImageError if broken."""
    from PIL import Image, ImageOps

    if not data:
        raise UnreadableImageError("no image bytes")
    try:
        with Image.open(io.BytesIO(data)) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.has_transparency_data:
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image.convert("RGBA"))
            pixels = np.array(image.convert("RGB"))
    except Exception as problem:  # Pillow's plugins raise almost anything on broken bytes
        raise UnreadableImageError(f"{type(problem).__name__}: {problem}") from problem
    return torch.from_numpy(pixels)


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


def _orientation(data: bytes) -> int:
    """How the camera was held: 1 to 8 of EXIF, 1 = upright."""
    if data.find(b"Exif\0\0", 0, 65536) < 0:
        return 1
    from PIL import Image

    try:
        turn = Image.open(io.BytesIO(data)).getexif().get(ORIENTATION, 1)
    except Exception:  # broken EXIF of a picture that may be fine
        return 1
    return turn if turn in range(1, 9) else 1


def _upright(pixels: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """The picture (H, W, C) as EXIF orientation 1 to 8 says it is to be seen."""
    if turn >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
