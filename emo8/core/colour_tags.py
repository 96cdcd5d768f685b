"""What picture files say about their colours other than by an ICC profile.

PNG by the chunks cICP, sRGB, gAMA and cHRM; AVIF and HEIF by the codes of a `colr` box. Source of
the codes: ITU-T H.273; of the order in which PNG chunks count: PNG third edition, 4.3.
"""

from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass

XY = tuple[float, float]
# Red, green, blue and white, CIE xy, by the number that H.273 gives to them.
D65: XY = (0.3127, 0.3290)
PRIMARIES: dict[int, tuple[XY, XY, XY, XY]] = {
    1: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65),  # BT.709, which sRGB shares
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.310, 0.316)),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),  # BT.2020
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),  # Display P3
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
}
# Transfers that are no power. The camera curves of video (1, 6, 14, 15) are shown with sRGB's
# curve, as browsers and phones do; HLG was made to be shown so.
_GAMMA: dict[int, float] = {4: 2.2, 5: 2.8, 8: 1.0}
_PQ = 16
# Within these a file means sRGB: libpng's own margins.
_GAMMA_MARGIN, _XY_MARGIN = 0.05, 0.01


@dataclass(frozen=True, kw_only=True)
class ColourCode:
    """Primaries and transfer of a picture's RGB."""

    primaries: tuple[XY, XY, XY, XY] = PRIMARIES[1]
    gamma: float | None = None  # linear = stored ** gamma; None: the curve of sRGB
    pq: bool = False  # the curve of SMPTE ST 2084, white at 203 cd/m2
    narrow: bool = False  # black is stored as 16 and white as 235 of 255, as in video

    @property
    def is_srgb(self) -> bool:
        near = zip(self.primaries, PRIMARIES[1], strict=True)
        same = all(abs(a - b) <= _XY_MARGIN for one, two in near for a, b in zip(one, two))
        return same and self.gamma is None and not self.pq and not self.narrow


def by_codes(primaries: int, transfer: int) -> ColourCode | None:
    """The code of H.273 numbers; None where they say nothing that we know."""
    if primaries not in PRIMARIES:
        return None
    return ColourCode(
        primaries=PRIMARIES[primaries], gamma=_GAMMA.get(transfer), pq=transfer == _PQ
    )


def png_code(data: bytes) -> ColourCode | None:
    """What chunks before the pixels say, unless a profile counts; None where they say nothing."""
    chunks = _png_chunks(data)
    if len(codes := chunks.get(b"cICP", b"")) == 4 and (found := by_codes(codes[0], codes[1])):
        return dataclasses.replace(found, narrow=codes[3] == 0)
    if b"iCCP" in chunks or b"sRGB" in chunks:
        return None
    gamma = primaries = None
    if len(chunks.get(b"gAMA", b"")) == 4:
        gamma = int.from_bytes(chunks[b"gAMA"]) / 100000
    if len(chunks.get(b"cHRM", b"")) == 32:
        primaries = tuple(number / 100000 for number in struct.unpack(">8I", chunks[b"cHRM"]))
    return gamma_code(gamma, primaries)


def gamma_code(gamma: float | None, primaries: tuple[float, ...] | None) -> ColourCode | None:
    """The code of a PNG's gAMA value and cHRM values (white, red, green, blue: x, y each)."""
    given = PRIMARIES[1]
    if primaries and len(primaries) == 8 and all(y > 0 for y in primaries[1::2]):
        v = primaries
        given = ((v[2], v[3]), (v[4], v[5]), (v[6], v[7]), (v[0], v[1]))
    if not gamma and given == PRIMARIES[1]:
        return None
    return ColourCode(primaries=given, gamma=_as_gamma(gamma) if gamma else None)


def _as_gamma(stored: float) -> float | None:
    """The exponent behind a gAMA value; None where it means sRGB's curve."""
    return None if abs(stored * 2.2 - 1) < _GAMMA_MARGIN else 1 / stored


def _png_chunks(data: bytes) -> dict[bytes, bytes]:
    """Content of the short chunks before the pixels; a profile's is left out, its name is not."""
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at + 8 <= len(data) and (name := data[at + 4 : at + 8]) != b"IDAT":
        size = int.from_bytes(data[at : at + 4])
        chunks[name] = data[at + 8 : at + 8 + size] if size <= 64 else b""
        at += 12 + size
    return chunks


def png_significant_bits(data: bytes) -> int | None:
    """The bits of a PNG's samples that carry meaning, where it says so."""
    significant = _png_chunks(data).get(b"sBIT")
    return max(significant) if significant else None


def box_code(data: bytes) -> ColourCode | None:
    """The colour codes of an AVIF or HEIF file; None without any. A profile is not looked at."""
    at = data.find(b"colrnclx", 0, 65536)  # in the `meta` box, which stands before the pixels
    if at < 0 or at + 14 > len(data):
        return None
    primaries, transfer = struct.unpack_from(">HH", data, at + 8)
    return by_codes(primaries, transfer)
