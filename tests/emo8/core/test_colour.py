"""Colours: every way in which a file can say what its numbers look like."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from emo8.core import colour
from emo8.core.images import decode, decode_pil
from emo8.core.pixels import COLOURS
from tests.conftest import encoded, picture
from tests.emo8.core.profiles import (
    ADOBE,
    ADOBE_RGB,
    DISPLAY_P3,
    GREY_LINEAR,
    P3,
    PROPHOTO,
    SRGB,
    SRGB_CURVE,
    gamma_curve,
    profile,
    seen_as,
)


def with_chunks(image: Image.Image, *chunks: tuple[bytes, bytes]) -> bytes:
    data = encoded(image, "PNG")
    extra = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    return data[:33] + extra + data[33:]


def off(decoded: np.ndarray, right: np.ndarray) -> int:
    return int(np.abs(decoded.astype(int) - right).max())


@pytest.mark.parametrize("columns", [DISPLAY_P3, ADOBE_RGB, PROPHOTO])
@pytest.mark.parametrize("curve", [SRGB_CURVE, gamma_curve(1.8), gamma_curve(2.2)])
def test_by_profile__short_way_agrees_with_littlecms(columns, curve) -> None:  # type: ignore[no-untyped-def]
    data = profile(columns, curve)
    found = colour.by_profile(data)
    assert isinstance(found, colour.MatrixConversion)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (128, 512, 3), dtype=np.uint8)
    right = seen_as(Image.fromarray(pixels), data)
    by_share = found.shares_to_srgb(pixels.astype(np.float32) / 255)
    found.bytes_to_srgb(pixels)
    assert off(pixels, right) <= 1 and off(by_share, right) <= 1


@pytest.mark.parametrize(
    ("fmt", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 80}),
        ("AVIF", {}),
        ("TIFF", {}),
        ("HEIF", {}),
        ("JXL", {"lossless": True}),
    ],
)
@pytest.mark.parametrize("data", [P3, ADOBE])
def test_decode__shows_what_the_profile_means(fmt: str, options: dict, data: bytes) -> None:  # type: ignore[type-arg]
    file = encoded(picture(1), fmt, icc_profile=data, **options)
    stored = Image.open(io.BytesIO(file)).convert("RGB")
    decoded = decode(file)
    assert decoded.colour == "converted" and not decoded.plain
    assert off(decoded.rgb, seen_as(stored, data)) <= 1
    assert off(decode_pil(Image.open(io.BytesIO(file))).rgb, decoded.rgb) == 0


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_decode__srgb_profile_changes_no_pixel(fmt: str, mode: str) -> None:
    image = picture(2).convert(mode)
    tagged, bare = (decode(encoded(image, fmt, **o)) for o in ({"icc_profile": SRGB}, {}))
    assert tagged.colour == "srgb" and bare.colour == ("srgb" if fmt == "AVIF" else "untagged")
    assert tagged.pixel_sha256() == bare.pixel_sha256() and tagged.plain == bare.plain


def test_decode__grey_with_a_grey_profile() -> None:
    image = picture(3).convert("L")
    decoded = decode(encoded(image, "PNG", icc_profile=GREY_LINEAR))
    assert decoded.colour == "converted"
    assert off(decoded.rgb, seen_as(image, GREY_LINEAR)) <= 1


@pytest.mark.parametrize(
    "data",
    [b"no profile at all", P3[:200], SRGB[:100], GREY_LINEAR, b"", P3[:16] + b"CMYK" + P3[20:]],
    ids=["text", "half", "header", "grey", "empty", "cmyk"],  # a profile holds the time it was made
)
def test_decode__broken_profile_is_as_none_and_counted(data: bytes) -> None:
    image = picture(4)
    decoded = decode(encoded(image, "PNG", icc_profile=data))
    assert decoded.colour == ("broken" if data else "untagged")
    assert off(decoded.rgb, np.asarray(image)) == 0
    assert decode(encoded(image, icc_profile=data)).plain


def test_decode__cmyk_with_a_broken_profile_is_as_without() -> None:
    image = picture(4).convert("CMYK")
    tagged, bare = decode(encoded(image, icc_profile=P3)), decode(encoded(image))
    assert (tagged.colour, bare.colour) == ("broken", "untagged")
    assert tagged.pixel_sha256() == bare.pixel_sha256()


def test_decode__png_gamma_one_is_not_too_dark() -> None:
    linear = with_chunks(
        Image.new("RGB", (4, 4), (55, 55, 55)), (b"gAMA", struct.pack(">I", 100000))
    )
    decoded = decode(linear)
    assert decoded.colour == "converted" and decoded.rgb[0, 0].tolist() == [128, 128, 128]
    assert decode_pil(Image.open(io.BytesIO(linear))).rgb[0, 0, 0] == 128


def test_decode__png_of_narrow_range_is_spread_to_black_and_white() -> None:
    stored = Image.new("RGB", (3, 1))
    for x, grey in enumerate((16, 126, 235)):
        stored.putpixel((x, 0), (grey, grey, grey))
    decoded = decode(with_chunks(stored, (b"cICP", bytes((1, 13, 0, 0)))))
    assert decoded.colour == "converted" and decoded.rgb[0, :, 0].tolist() == [0, 128, 255]


def test_decode__png_with_unknown_codes_is_as_its_other_chunks_say() -> None:
    tagged = with_chunks(
        Image.new("RGB", (4, 4), (55, 55, 55)),
        (b"cICP", bytes((77, 13, 0, 1))), (b"gAMA", struct.pack(">I", 100000)),
    )  # fmt: skip
    assert decode(tagged).rgb[0, 0].tolist() == [128, 128, 128]


SRGB_PRIMARIES = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3_PRIMARIES = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


@pytest.mark.parametrize(
    ("chunks", "colour_word"),
    [
        ([(b"gAMA", struct.pack(">I", 45455))], "srgb"),
        ([(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", SRGB_PRIMARIES)], "srgb"),
        ([(b"gAMA", struct.pack(">I", 100000)), (b"sRGB", b"\0")], "untagged"),
        ([(b"cICP", bytes((1, 13, 0, 1)))], "srgb"),
        ([(b"cICP", bytes((77, 13, 0, 1)))], "untagged"),
        ([(b"gAMA", bytes(4))], "untagged"),
    ],
)
def test_decode__png_chunks_that_mean_srgb(
    chunks: list[tuple[bytes, bytes]], colour_word: str
) -> None:
    decoded = decode(with_chunks(picture(5), *chunks))
    assert decoded.colour == colour_word and off(decoded.rgb, np.asarray(picture(5))) == 0


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"cICP", bytes((12, 13, 0, 1)))],
        [(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", P3_PRIMARIES)],
    ],
)
def test_decode__png_chunks_of_display_p3(chunks: list[tuple[bytes, bytes]]) -> None:
    decoded = decode(with_chunks(picture(5), *chunks))
    assert decoded.colour == "converted" and off(decoded.rgb, seen_as(picture(5), P3)) <= 1


def test_decode__avif_codes_of_display_p3() -> None:
    data = encoded(picture(6), "AVIF", quality=90)
    at = data.index(b"colrnclx") + 8
    wide = data[:at] + struct.pack(">H", 12) + data[at + 2 :]
    plain = decode(data)
    decoded = decode(wide)
    assert (plain.colour, decoded.colour) == ("srgb", "converted")
    assert off(decoded.rgb, seen_as(Image.fromarray(plain.rgb), P3)) <= 1


def test_by_code__any_primaries_stay_in_the_table() -> None:
    chunk = struct.pack(">8I", 31270, 32900, 99000, 1000, 1000, 99000, 100, 100)
    decoded = decode(with_chunks(picture(5), (b"cHRM", chunk)))
    assert decoded.colour in COLOURS and decoded.rgb.shape == (120, 160, 3)
