"""Colour profiles of three curves and a matrix, written by hand: what cameras and phones embed."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, ImageCms

Columns = tuple[tuple[float, float, float], ...]
DISPLAY_P3: Columns = (
    (0.51512, 0.2412, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.1571, 0.06657, 0.78407),
)
ADOBE_RGB: Columns = (
    (0.60974, 0.31111, 0.01947),
    (0.20528, 0.62567, 0.06087),
    (0.14919, 0.06322, 0.74457),
)
PROPHOTO: Columns = (
    (0.79767, 0.28804, 0.0),
    (0.13519, 0.71188, 0.0),
    (0.03134, 0.00009, 0.82491),
)
# sRGB's curve as a parametric one of type 3: g, a, b, c, d
SRGB_CURVE = struct.pack(">4sIHH5i", b"para", 0, 3, 0, 157286, 62119, 3417, 5072, 2651)


def gamma_curve(gamma: float) -> bytes:
    return struct.pack(">4sIIH2x", b"curv", 0, 1, round(gamma * 256))


def profile(columns: Columns, curve: bytes, *, space: bytes = b"RGB ") -> bytes:
    """An ICC 2.4 profile; a grey one takes only the curve."""
    xyz = [b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in c)) for c in columns]
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    tags: list[tuple[bytes, bytes]] = [(b"wtpt", white)]
    if space == b"GRAY":
        tags.append((b"kTRC", curve))
    else:
        tags += zip((b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"), [*xyz] + [curve] * 3)
    table, body = b"", b""
    for name, content in tags:
        content += b"\0" * (-len(content) % 4)
        at = 132 + 12 * len(tags) + len(body)
        table += name + struct.pack(">II", at, len(content))
        body += content
    size = 132 + len(table) + len(body)
    head = struct.pack(
        ">I4sI4s4s4s12x4s", size, b"lcms", 0x02400000, b"mntr", space, b"XYZ ", b"acsp"
    )
    head += bytes(68 - len(head)) + struct.pack(">3i", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + body


P3 = profile(DISPLAY_P3, SRGB_CURVE)
ADOBE = profile(ADOBE_RGB, gamma_curve(2.2))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_LINEAR = profile((), gamma_curve(1.0), space=b"GRAY")


def seen_as(pixels: Image.Image, data: bytes) -> np.ndarray:
    """int (H, W, 3): what a colour-managed viewer shows, by LittleCMS."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(data))
    shown = ImageCms.profileToProfile(
        pixels,
        source,
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        "RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert shown is not None
    return np.asarray(shown).astype(int)
