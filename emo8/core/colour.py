"""Colours to sRGB: what a colour-managed viewer shows, as pixels that need no profile.

Profiles go through LittleCMS, relative colorimetric with black point compensation. Profiles of
three curves and a matrix (Display P3, Adobe RGB and nearly all cameras' and screens') go through
two look-ups and a matrix product instead, several times faster; it is used only after it agreed
with LittleCMS within 1 of 255 on a grid of colours. Letters: H W pixels.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
from PIL import Image, ImageCms

from emo8.core.colour_tags import D65, PRIMARIES, XY, ColourCode

Curve = Callable[[np.ndarray], np.ndarray]  # stored value to linear light, both 0 to 1
BAND_PIXELS = 1 << 16  # so many at a time: what lies between stays in the processor's cache
# Places in the output table that mean 0.0 and 1.0; colours outside sRGB lie before and behind.
_INDEX_ZERO, _INDEX_ONE = 22_000, 42_000
_GRID = 17  # colours per axis on which two ways are compared


class Conversion(Protocol):
    """From a picture's own colours to sRGB."""

    def bytes_to_srgb(self, rgb: np.ndarray) -> None:
        """Convert uint8 (H, W, 3) pixels in place."""

    def shares_to_srgb(self, shares: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) of float32 values (H, W, 3) between 0 and 1."""


@dataclass(frozen=True)
class MatrixConversion:
    """Three curves to linear light, and a matrix from there to linear sRGB."""

    curves: tuple[Curve, Curve, Curve]
    matrix: np.ndarray  # (3, 3) float64

    def bytes_to_srgb(self, rgb: np.ndarray) -> None:
        if not rgb.flags.c_contiguous:
            whole = np.ascontiguousarray(rgb)
            self.bytes_to_srgb(whole)
            rgb[:] = whole
            return
        flat = rgb.reshape(-1, 3)
        band = min(BAND_PIXELS, len(flat))
        light = np.empty((1, band + 1, 3), np.float32)  # one to spare: values go in pairs
        mixed = np.empty((1, band, 3), np.float32)
        index = np.empty((1, 3 * band), np.uint16)
        for start in range(0, len(flat), band):
            part = flat[start : start + band].reshape(1, -1)
            self._convert(part, light, mixed[:, : part.size // 3], index[:, : part.size])

    def _convert(
        self, part: np.ndarray, light: np.ndarray, mixed: np.ndarray, index: np.ndarray
    ) -> None:
        """Convert uint8 (1, 3N) in place, by way of three arrays of that many values."""
        import cv2

        size = part.size
        if self._pair_table is None:
            cv2.LUT(part.reshape(1, -1, 3), self._byte_table, light[:, : size // 3])
        else:
            # two values in one look-up; the last one of an odd number is looked up with a zero
            pairs = part if size % 2 == 0 else np.append(part, np.uint8(0))
            doubles = light.reshape(-1)[: 2 * (pairs.size // 2)].view(np.float64)
            cv2.LUT(pairs.view(np.uint16).reshape(1, -1), self._pair_table, doubles[None])
        cv2.transform(light[:, : size // 3], self._indexer, mixed)
        if self._leaves_table:
            np.clip(mixed, 0, 65535, out=mixed)
        np.copyto(index, mixed.reshape(1, -1), casting="unsafe")
        cv2.LUT(index, _output_table(), part)

    def shares_to_srgb(self, shares: np.ndarray) -> np.ndarray:
        light = np.stack([curve(shares[..., k]) for k, curve in enumerate(self.curves)], -1)
        mixed = np.clip(light @ self.matrix.T, 0, 1)
        return np.round(_srgb_encoded(mixed) * 255).astype(np.uint8)

    @cached_property
    def _byte_table(self) -> np.ndarray:
        """(256, 1, 3) float32: linear light of every stored byte, per channel."""
        steps = np.arange(256) / 255
        return np.stack([curve(steps) for curve in self.curves], -1)[:, None].astype(np.float32)

    @cached_property
    def _pair_table(self) -> np.ndarray | None:
        """(65536,) of two float32 in a float64: the light of two stored bytes read as one number.

        Half the look-ups; None where the curves differ. Which byte is first does not matter, since
        both lie in memory as they came.
        """
        table = self._byte_table[:, 0]
        if not (
            np.array_equal(table[:, 0], table[:, 1]) and np.array_equal(table[:, 1], table[:, 2])
        ):
            return None
        first, second = np.arange(65536, dtype=np.uint16).view(np.uint8).reshape(-1, 2).T
        return np.stack([table[first, 0], table[second, 0]], -1).view(np.float64).ravel()

    @cached_property
    def _indexer(self) -> np.ndarray:
        """(3, 4) float32: linear light to places in the output table."""
        moved = np.full((3, 1), _INDEX_ZERO + 0.5)
        scaled = self.matrix * (_INDEX_ONE - _INDEX_ZERO)
        return np.hstack([scaled, moved]).astype(np.float32)

    @cached_property
    def _leaves_table(self) -> bool:
        """Whether a colour can fall outside the output table: with odd primaries only."""
        lowest = np.minimum(self.matrix, 0).sum(axis=1).min()
        highest = np.maximum(self.matrix, 0).sum(axis=1).max()
        step = _INDEX_ONE - _INDEX_ZERO
        return bool(_INDEX_ZERO + lowest * step < 0 or _INDEX_ZERO + highest * step > 65535)


@dataclass(frozen=True)
class LcmsConversion:
    """Any profile, by LittleCMS."""

    transform: Any

    def bytes_to_srgb(self, rgb: np.ndarray) -> None:
        rows = max(1, BAND_PIXELS // max(1, rgb.shape[1]))
        for top in range(0, len(rgb), rows):
            band = Image.fromarray(np.ascontiguousarray(rgb[top : top + rows]))
            rgb[top : top + rows] = np.asarray(ImageCms.applyTransform(band, self.transform))

    def shares_to_srgb(self, shares: np.ndarray) -> np.ndarray:
        rgb = np.round(shares * 255).astype(np.uint8)
        self.bytes_to_srgb(rgb)
        return rgb


class BrokenProfileError(ValueError):
    """The profile cannot be used for this picture; its numbers are taken as sRGB."""


def transform(profile: bytes | None, mode: str) -> Any:
    """A LittleCMS transform from pictures of a PIL mode to sRGB; BrokenProfileError if none.

    Without a profile, CIELAB is what its name says.
    """
    source: Any
    try:
        source = (
            ImageCms.createProfile("LAB")
            if profile is None
            else ImageCms.ImageCmsProfile(io.BytesIO(profile))
        )
        return ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise BrokenProfileError(str(error)) from error


@lru_cache(maxsize=32)
def by_profile(profile: bytes) -> Conversion | None:
    """The conversion of an RGB profile; None when it is sRGB; BrokenProfileError if unusable."""
    slow = LcmsConversion(transform(profile, "RGB"))
    grid = colour_grid()
    right = grid.copy()
    slow.bytes_to_srgb(right)
    if _differ(right, grid) <= 1:
        return None
    fast = _matrix_conversion(profile)
    if fast is not None:
        trial = grid.copy()
        fast.bytes_to_srgb(trial)
        if _differ(trial, right) <= 1:
            return fast
    return slow


@lru_cache(maxsize=32)
def grey_table(profile: bytes) -> np.ndarray | None:
    """(256, 3) uint8: sRGB of every grey of a grey profile; None when it is sRGB's own curve."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    table = np.asarray(ImageCms.applyTransform(ramp, transform(profile, "L")))[0]
    same = np.abs(table.astype(int) - np.arange(256)[:, None]).max() <= 1
    return None if same else table


@lru_cache(maxsize=32)
def by_code(code: ColourCode) -> Conversion | None:
    """The conversion of primaries and a curve; None when they are sRGB's."""
    if code.is_srgb:
        return None
    curve = _pq_light if code.pq else _power(code.gamma) if code.gamma else _srgb_light
    if code.narrow:
        curve = _from_narrow(curve)
    matrix = np.linalg.inv(_to_xyz(PRIMARIES[1])) @ _to_xyz(code.primaries)
    return MatrixConversion((curve, curve, curve), matrix)


def colour_grid() -> np.ndarray:
    """uint8 (N, 256, 3): colours all over the cube, and every grey."""
    axis = np.linspace(0, 255, _GRID).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    both = np.concatenate([cube, greys])
    return np.resize(both, (-(-len(both) // 256), 256, 3))


def _differ(one: np.ndarray, two: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - two.astype(int)).max())


# Curves


def _srgb_light(values: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values. Source: IEC 61966-2-1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _srgb_encoded(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _pq_light(values: np.ndarray) -> np.ndarray:
    """Light of PQ values, 1.0 at 203 cd/m2, clipped there. Sources: ST 2084; BT.2408."""
    root = values ** (1 / 78.84375)
    light = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return np.minimum(light ** (1 / 0.1593017578125) * 10000 / 203, 1)


def _from_narrow(curve: Curve) -> Curve:
    """The curve of values that are stored as video stores them: 16 to 235 of 255."""
    return lambda values: curve(np.clip((values * 255 - 16) / 219, 0, 1))


def _power(gamma: float) -> Curve:
    return lambda values: values**gamma


@lru_cache(maxsize=1)
def _output_table() -> np.ndarray:
    """(65536,) uint8: the sRGB byte at every place that `_indexer` can give."""
    light = (np.arange(65536) - _INDEX_ZERO) / (_INDEX_ONE - _INDEX_ZERO)
    return np.round(_srgb_encoded(np.clip(light, 0, 1)) * 255).astype(np.uint8)


def _to_xyz(primaries: tuple[XY, XY, XY, XY]) -> np.ndarray:
    """(3, 3): linear RGB to XYZ under D65, by Bradford where white is another one."""
    red, green, blue, white = primaries
    columns = np.array([_xyz(xy) for xy in (red, green, blue)]).T
    own = columns * np.linalg.solve(columns, _xyz(white))
    cone = np.array(  # Bradford
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    scale = (cone @ _xyz(D65)) / (cone @ _xyz(white))
    return np.linalg.inv(cone) @ np.diag(scale) @ cone @ own


def _xyz(xy: XY) -> np.ndarray:
    return np.array([xy[0] / xy[1], 1.0, (1 - xy[0] - xy[1]) / xy[1]])


# ICC profiles of curves and a matrix. Source: ICC.1:2022


def _matrix_conversion(profile: bytes) -> MatrixConversion | None:
    """The short way through a profile; None where it has none, or none that we read."""
    try:
        tags = _tags(profile)
        if b"A2B0" in tags or b"A2B1" in tags or profile[20:24] != b"XYZ ":
            return None
        columns = [_xyz_number(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
        curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
        matrix = np.linalg.inv(_srgb_columns()) @ np.array(columns).T
        return MatrixConversion((curves[0], curves[1], curves[2]), matrix)
    except (KeyError, ValueError, struct.error, np.linalg.LinAlgError):
        return None


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = {}
    for number in range(min(count, 100)):
        name, at, size = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        tags[name] = profile[at : at + size]
    return tags


def _xyz_number(tag: bytes) -> tuple[float, float, float]:
    x, y, z = struct.unpack_from(">iii", tag, 8)
    return x / 65536, y / 65536, z / 65536


@lru_cache(maxsize=1)
def _srgb_columns() -> np.ndarray:
    """(3, 3): linear sRGB to the profile connection space, as LittleCMS has it."""
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tags = _tags(own)
    return np.array([_xyz_number(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]).T


def _curve(tag: bytes) -> Curve:
    """The curve of a `curv` or `para` tag; ValueError for any other."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return lambda values: values
        table = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
        if count == 1:
            return _power(float(table[0]) / 256)
        steps = np.linspace(0, 1, count)
        return lambda values: np.interp(values, steps, table / 65535)
    if tag[:4] != b"para":
        raise ValueError("neither curv nor para")
    (kind,) = struct.unpack_from(">H", tag, 8)
    size = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}[kind]
    return _parametric(kind, [v / 65536 for v in struct.unpack_from(f">{size}i", tag, 12)])


def _parametric(kind: int, given: list[float]) -> Curve:
    """Types 0 to 4 of a parametric curve. Source: ICC.1:2022, table 68."""
    g, a, b, c, d, e, f = (given + [0.0] * 7)[:7]
    if kind == 0:
        return _power(g)
    if kind in (1, 2):  # zero, or a constant, below -b/a
        d, e, f, c = -b / a, c, c, 0.0
        if kind == 1:
            e = f = 0.0

    def light(values: np.ndarray) -> np.ndarray:
        upper = np.maximum(a * values + b, 0) ** g + e
        return np.clip(np.where(values >= d, upper, c * values + f), 0, 1)

    return light
