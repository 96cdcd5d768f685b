"""Modes, wide numbers and files of several pictures: right pixels, by values."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from emo8.core import formats, images, pixels
from emo8.core.images import DecodeError, decode, decode_pil
from tests.conftest import encoded, picture
from tests.emo8.core.profiles import P3, seen_as

GREY = np.asarray(picture(1).convert("L"))
RGB = np.asarray(picture(1))


def off(decoded: np.ndarray, right: np.ndarray) -> float:
    right = right if right.ndim == 3 else np.repeat(right[..., None], 3, axis=2)
    return float(np.abs(decoded.astype(float) - right).max())


def by_opencv(values: np.ndarray, suffix: str) -> bytes:
    if values.ndim == 3:
        values = values[..., [2, 1, 0, 3][: values.shape[2]]]
    return cv2.imencode(suffix, values)[1].tobytes()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
def test_decode__grey_of_fewer_bits_in_sixteen(bits: int, fmt: str) -> None:
    stretched = GREY - GREY.min()
    shares = stretched / stretched.max()
    data = encoded(Image.fromarray(np.round(shares * (2**bits - 1)).astype(np.uint16)), fmt)
    decoded = decode(data)
    assert off(decoded.rgb, np.round(shares * 255)) <= 1
    assert decoded.numbers == f"16 bits, 0 to {2**bits - 1}"


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("top", [4095, 65535])
def test_decode__colours_of_sixteen_bits(suffix: str, top: int) -> None:
    values = np.round(RGB / RGB.max() * top).astype(np.uint16)
    decoded = decode(by_opencv(values, suffix))
    assert off(decoded.rgb, values / top * 255) <= 1


@pytest.mark.parametrize(
    ("cell", "top"), [(np.int16, 32767), (np.int16, 4095), (np.int32, 2**31 - 1)]
)
@pytest.mark.parametrize("shape", ["grey", "colours"])
def test_decode__signed_numbers_use_their_positive_half(cell: type, top: int, shape: str) -> None:
    shares = (RGB if shape == "colours" else GREY) / 255
    values = np.round(shares / shares.max() * top).astype(cell)
    decoded = decode(by_opencv(values, ".tiff"))
    expected = values / top * 255
    assert off(decoded.rgb, expected if shape == "colours" else expected[..., None]) <= 1


def test_decode__sixteen_bits_with_a_profile_and_alpha() -> None:
    values = RGB.astype(np.uint16) * 257
    alpha = np.full(GREY.shape, 65535, np.uint16)
    alpha[:, 80:] = 0
    data = by_opencv(np.dstack([values, alpha]), ".png")
    decoded = decode(data)
    assert decoded.visible == pytest.approx(0.5) and decoded.rgb[0, 100].tolist() == [255] * 3
    assert off(decoded.rgb[:, :80], RGB[:, :80]) <= 1
    image = Image.fromarray(RGB)
    tiff = by_opencv(values, ".tiff")
    tagged = _with_tag(tiff, P3)
    assert off(decode(tagged).rgb, seen_as(image, P3)) <= 1


def _with_tag(tiff: bytes, profile: bytes, tag: int = 34675) -> bytes:
    """The TIFF with a colour profile or a turn, its table of tags written again at the end."""
    (at,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, at)
    entries = tiff[at + 2 : at + 2 + 12 * count]
    place = len(tiff) + len(tiff) % 2
    if len(profile) == 2:
        entry = struct.pack("<HHI", tag, 3, 1) + profile + bytes(2)
    else:
        entry = struct.pack("<HHII", tag, 7, len(profile), place)
    table = place + len(profile) + len(profile) % 2
    body = tiff[:4] + struct.pack("<I", table) + tiff[8:].ljust(place - 8, b"\0")
    body += profile.ljust(table - place, b"\0")
    every = [entries[at : at + 12] for at in range(0, len(entries), 12)] + [entry]
    every.sort(key=lambda one: struct.unpack("<H", one[:2]))
    return body + struct.pack("<H", len(every)) + b"".join(every) + bytes(4)


@pytest.mark.parametrize(
    ("values", "right"),
    [
        (GREY.astype(np.float32) / 255, GREY),
        (GREY.astype(np.float32), GREY),
        (GREY.astype(np.float32) / 127.5 - 1, GREY),
        (GREY.astype(np.int32) * 257, GREY),
        (RGB.astype(np.float32) / 255, RGB),
        (RGB.astype(np.float64) / 255, RGB),
        (GREY.astype(np.float64) / 255, GREY),
    ],
)
def test_decode__tiff_of_floats_and_long_numbers(values: np.ndarray, right: np.ndarray) -> None:
    assert off(decode(by_opencv(values, ".tiff")).rgb, right) <= 1


def test_decode__numbers_that_are_none_are_black_and_scale_nothing() -> None:
    values = GREY.astype(np.float32) / 255
    values[0, :3] = np.nan, np.inf, -np.inf
    decoded = decode(encoded(Image.fromarray(values), "TIFF"))
    assert decoded.rgb[0, :3, 0].tolist() == [0, 255, 0]
    assert off(decoded.rgb[1:], GREY[1:]) <= 1


def test_decode__white_is_zero_in_sixteen_bits() -> None:
    file = io.BytesIO()
    values = Image.fromarray(65535 - GREY.astype(np.uint16) * 257)
    values.save(file, "TIFF", tiffinfo={262: 0})
    data = file.getvalue()
    assert Image.open(io.BytesIO(data)).tag_v2[262] == 0  # type: ignore[attr-defined]
    assert off(decode(data).rgb, GREY) <= 1
    assert off(decode_pil(Image.open(io.BytesIO(data))).rgb, GREY) <= 1


def test_decode__cielab_is_seen_in_its_colours() -> None:
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = ImageCms.applyTransform(picture(1), to_lab)
    assert lab is not None
    lab.info.pop("icc_profile", None)
    assert np.abs(decode(encoded(lab, "TIFF")).rgb.astype(float) - RGB).mean() < 3


def test_decode__palette_with_transparency() -> None:
    image = picture(1).quantize(16)
    data = encoded(image, "PNG", transparency=bytes([0] + [255] * 15))
    decoded = decode(data)
    hidden = np.asarray(image) == 0
    assert (decoded.rgb[hidden] == 255).all() and hidden.any()
    assert (decoded.rgb[~hidden] == np.asarray(image.convert("RGB"))[~hidden]).all()
    assert decoded.visible == pytest.approx(1 - hidden.mean())


def test_decode__tiff_thumbnail_is_no_page_wherever_it_stands() -> None:
    for order in ("first", "last"):
        file = io.BytesIO()
        with TiffImagePlugin.AppendingTiffWriter(file, True) as tiff:
            pages = [(picture(1), {}), (picture(1, (40, 30)), {254: 1})]
            for image, tags in pages if order == "last" else pages[::-1]:
                image.save(tiff, "TIFF", tiffinfo=tags)
                tiff.newFrame()
            data = file.getvalue()
        decoded = decode(data)
        assert (decoded.num_frames, decoded.rgb.shape) == (1, (120, 160, 3)), order
        assert off(decoded.rgb, RGB) == 0


def test_decode__apng_begins_with_its_animation() -> None:
    frames = [picture(2), picture(3)]
    data = encoded(picture(1), "PNG", save_all=True, append_images=frames, default_image=True)
    decoded = decode(data)
    assert decoded.num_frames == 2 and off(decoded.rgb, np.asarray(picture(2))) == 0


def test_decode__first_gif_frame_that_is_partial_lies_on_white() -> None:
    part = Image.new("P", (8, 6), 1)
    part.putpalette([0, 0, 0, 200, 30, 40] + [0] * 762)
    data = bytearray(encoded(part, "GIF"))
    struct.pack_into("<HH", data, 6, 20, 10)  # the screen is larger than its first frame
    at = data.index(b",")
    struct.pack_into("<HH", data, at + 1, 4, 2)
    decoded = decode(bytes(data))
    assert decoded.rgb.shape == (10, 20, 3)
    assert decoded.rgb[2, 4].tolist() == [200, 30, 40]
    assert decoded.rgb[0, 0].tolist() == [255, 255, 255]


def test_decode__mpo_is_its_first_picture() -> None:
    data = encoded(picture(1), "MPO", save_all=True, append_images=[picture(2)])
    decoded = decode(data)
    assert (decoded.format, decoded.num_frames, decoded.plain) == ("MPO", 1, True)
    assert decoded.pixel_sha256() == decode(encoded(picture(1))).pixel_sha256()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "HEIF"])
def test_decode__turned_once_in_every_format(fmt: str, turn: int) -> None:
    stored = Image.fromarray(images.upright(RGB, {6: 8, 8: 6}.get(turn, turn)))
    exif = Image.Exif()
    exif[0x0112] = turn
    # as bytes: pillow-heif writes the turn of an Exif object into EXIF alone, see the next test
    data = encoded(stored, fmt, exif=exif.tobytes())
    rgb = decode(data).rgb
    assert rgb.shape == RGB.shape and np.abs(rgb.astype(float) - RGB).mean() < 8
    again = decode_pil(Image.open(io.BytesIO(data))).rgb
    assert np.array_equal(again, rgb)


def test_decode__heif_that_is_turned_by_exif_alone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(picture(1).rotate(90, expand=True), "HEIF", exif=exif)
    assert b"irot" not in data
    rgb = decode(data).rgb
    assert rgb.shape == RGB.shape and np.abs(rgb.astype(float) - RGB).mean() < 8


def test_decode__wide_tiff_is_turned_once() -> None:
    for values in (RGB.astype(np.uint16) * 257, RGB.astype(np.float32) / 255):
        stored = np.ascontiguousarray(np.rot90(values))
        data = _with_tag(by_opencv(stored, ".tiff"), struct.pack("<H", 6), 274)
        assert off(decode(data).rgb, RGB) <= 1


def test_decode__heic_and_jxl_with_their_decoders() -> None:
    for fmt in ("HEIF", "JXL"):
        decoded = decode(encoded(picture(1), fmt))
        assert decoded.format == fmt and not decoded.plain
        assert np.abs(decoded.rgb.astype(float) - RGB).mean() < 6
        with pytest.raises(DecodeError, match="too_many_pixels"):
            decode(encoded(picture(1), fmt), max_pixels=1000)


def test_decode__jxl_keeps_profile_alpha_and_depth() -> None:
    pyjpegxl = pytest.importorskip("pyjpegxl")
    tagged = decode(encoded(picture(1), "JXL", lossless=True, icc_profile=P3))
    assert tagged.colour == "converted" and off(tagged.rgb, seen_as(picture(1), P3)) <= 1
    wide = np.round(GREY / GREY.max() * 4095).astype(np.uint16)
    decoded = decode(pyjpegxl.encode_from_numpy(wide, lossless=True))
    assert off(decoded.rgb, wide / 4095 * 255) <= 1 and decoded.numbers.endswith("4095")
    clear = picture(1).convert("LA")
    clear.putalpha(0)
    assert decode(encoded(clear, "JXL", lossless=True)).visible == 0


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [False, True])
def test_decode__large_webp_has_the_same_pixels(
    mode: str, lossless: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture(1).convert(mode)
    if mode == "RGBA":
        image.putalpha(picture(2).convert("L"))
    data = encoded(image, "WEBP", lossless=lossless)
    usual = decode(data)
    monkeypatch.setattr(pixels, "_LARGE_PIXELS", 100)
    large = decode(data)
    assert large.pixel_sha256() == usual.pixel_sha256() and large.visible == usual.visible


def test_decode__wide_png_is_turned_by_exif_behind_its_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    body = exif.tobytes()[6:]
    tail = struct.pack(">I", len(body)) + b"eXIf" + body
    tail += struct.pack(">I", zlib.crc32(tail[4:]))
    data = by_opencv(np.ascontiguousarray(np.rot90(RGB.astype(np.uint16) * 257)), ".png")
    turned = data[:-12] + tail + data[-12:]
    assert off(decode(turned).rgb, RGB) <= 1


HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
JXL_HEAD = b"\xff\x0a\xfa\x1f\x41\x91\x08\x06\x01\x00\x00\x00\x00"


@pytest.mark.parametrize("data", [HEIC_HEAD, JXL_HEAD])
def test_decode__format_without_its_decoder_says_what_to_install(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "opener", lambda name: None)
    with pytest.raises(DecodeError, match="pip install") as caught:
        decode(data)
    assert caught.value.reason == "format_not_installed"


def test_decode__twelve_bit_jpeg_is_whole_and_said_so() -> None:
    data = bytearray(encoded(picture(1)))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = 0xC1, 12
    with pytest.raises(DecodeError, match="12 bits") as caught:
        decode(bytes(data))
    assert caught.value.reason == "unsupported_kind"


def test_sniff__every_suffix_has_a_format_and_every_format_a_decoder() -> None:
    for fmt in formats.FORMATS.values():
        assert all(formats.SUFFIXES[suffix] == fmt.name for suffix in fmt.suffixes)
        assert fmt.extra or formats.opener(fmt.name) is not None


@pytest.mark.parametrize("kind", ["grey 16", "rgb 16", "rgba 8", "palette", "cmyk", "turned"])
def test_decode__takes_at_most_twelve_bytes_a_pixel(kind: str) -> None:
    side = 2000
    ramp = np.add.outer(np.arange(side), np.arange(side))
    base = Image.fromarray((ramp % 256).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = {
        "grey 16": lambda: encoded(Image.fromarray((ramp * 16).astype(np.uint16)), "PNG"),
        "rgb 16": lambda: by_opencv(np.dstack([(ramp * 16).astype(np.uint16)] * 3), ".png"),
        "rgba 8": lambda: encoded(base.convert("RGBA"), "PNG"),
        "palette": lambda: encoded(base.convert("P"), "PNG", transparency=0),
        "cmyk": lambda: encoded(base.convert("CMYK")),
        "turned": lambda: encoded(base.convert("RGB"), exif=exif),
    }[kind]()
    tracemalloc.start()
    decode(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # what PIL takes for the decoded picture is not traced: at most 4 bytes a pixel
    assert peak <= (12 if kind == "rgb 16" else 8) * side * side
