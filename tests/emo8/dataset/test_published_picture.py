"""Bytes to publish: kept where they can be, small where they cannot, and without anything else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from emo8.core.images import decode
from emo8.dataset.published_picture import MAX_GROWTH, publishable, suffix
from emo8.publish.picture_scan import scan
from tests.conftest import encoded, picture
from tests.emo8.core.profiles import P3, SRGB

EXIF = Image.Exif()
EXIF[0x010F] = "SecretCamera"
EXIF.get_ifd(0x8825)[2] = (48.0, 51.0, 30.0)
TURNED = Image.Exif()
TURNED[0x0112] = 6


def published(data: bytes) -> bytes:
    """What goes out, checked to be clean and of the same size in pixels."""
    decoded = decode(data)
    clean = publishable(data, plain=decoded.plain)
    assert scan(clean) == [] and b"SecretCamera" not in clean
    again = decode(clean)
    assert again.rgb.shape == decoded.rgb.shape
    assert again.colour in ("untagged", "srgb") and again.num_frames == 1
    return clean


@pytest.mark.parametrize(
    ("fmt", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"quality": 30, "icc_profile": SRGB}),
        ("WEBP", {}),
        ("WEBP", {"icc_profile": SRGB}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {}),
        ("AVIF", {"icc_profile": SRGB}),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_publishable__plain_file_keeps_its_data(fmt: str, options: dict, mode: str) -> None:  # type: ignore[type-arg]
    data = encoded(picture(2).convert(mode), fmt, exif=EXIF, **options)
    assert decode(data).plain and decode(data).has_gps
    clean = published(data)
    assert decode(clean).pixel_sha256() == decode(data).pixel_sha256()
    assert len(clean) < len(data) and clean[len(clean) // 2 :][:100] in data
    assert suffix(clean) == {"JPEG": "jpg", "WEBP": "webp", "AVIF": "avif"}[fmt]


def test_publishable__opaque_alpha_of_a_lossy_file_is_left_behind() -> None:
    for fmt in ("WEBP", "AVIF"):
        data = encoded(picture(2).convert("RGBA"), fmt)
        clean = published(data)
        assert Image.open(io.BytesIO(clean)).mode == "RGB"
        assert decode(clean).pixel_sha256() == decode(data).pixel_sha256()


def test_publishable__mpo_keeps_only_its_first_picture() -> None:
    data = encoded(picture(1), "MPO", save_all=True, append_images=[picture(2)])
    clean = published(data)
    assert clean.count(b"\xff\xd8\xff") == 1 and len(clean) < len(data) * 0.7
    assert decode(clean).pixel_sha256() == decode(data).pixel_sha256()


@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_publishable__what_came_without_loss_goes_without_loss(fmt: str) -> None:
    options = {"lossless": True} if fmt == "WEBP" else {}
    data = encoded(picture(4).convert("RGBA" if fmt == "WEBP" else "RGB"), fmt, **options)
    clean = published(data)
    assert decode(clean).pixel_sha256() == decode(data).pixel_sha256()
    assert len(clean) <= MAX_GROWTH * len(data)


def photographs(sample_pictures: list[Path]) -> list[Image.Image]:
    chosen = [path for path in sample_pictures if path.suffix == ".jpg" and "natural" in str(path)]
    return [Image.open(path).convert("RGB") for path in chosen[:2]] + [picture(7)]


@pytest.mark.parametrize(
    ("fmt", "options"),
    [
        ("JPEG", {"exif": TURNED}),
        ("JPEG", {"icc_profile": P3}),
        ("JPEG", {"quality": 40, "icc_profile": P3, "progressive": True}),
        ("JPEG", {"quality": 98, "subsampling": 0, "exif": TURNED}),
        ("WEBP", {"exif": TURNED}),
        ("WEBP", {"quality": 40, "icc_profile": P3}),
        ("AVIF", {"icc_profile": P3}),
        ("AVIF", {"quality": 45, "exif": TURNED}),
        ("HEIF", {}),
        ("HEIF", {"quality": 50, "icc_profile": P3}),
        ("JXL", {}),
        ("JXL", {"lossless": True}),
        ("TIFF", {"compression": "jpeg", "quality": 70}),
    ],
)
def test_publishable__encoded_anew_it_grows_little_and_looks_the_same(
    fmt: str,
    options: dict,  # type: ignore[type-arg]
    sample_pictures: list[Path],
) -> None:
    for image in photographs(sample_pictures):
        data = encoded(image, fmt, **options)
        clean = published(data)
        assert len(clean) <= MAX_GROWTH * len(data), (len(clean), len(data))
        away = decode(clean).rgb.astype(float) - decode(data).rgb
        assert np.abs(away).mean() < 4


def test_publishable__cmyk_keeps_size_and_colours() -> None:
    data = encoded(picture(3).convert("CMYK"), quality=80)
    clean = published(data)
    assert len(clean) <= MAX_GROWTH * len(data)
    assert np.abs(decode(clean).rgb.astype(float) - decode(data).rgb).mean() < 4


def test_publishable__jpeg_no_browser_shows_is_encoded_anew() -> None:
    data = bytearray(encoded(picture(3)))
    assert decode(bytes(data)).plain
    data[data.index(b"\xff\xc0") + 1] = 0xC1  # extended, Huffman: browsers show it
    assert decode(bytes(data)).plain
    stray = encoded(picture(3))
    stray = stray[:20] + b"stray" + stray[20:]
    clean = publishable(stray, plain=True)
    assert scan(clean) == [] and len(clean) <= MAX_GROWTH * len(stray)


def test_publishable__published_pictures_are_srgb_for_readers_without_profiles() -> None:
    srgb, p3 = ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(P3))
    meant = picture(5)
    stored = ImageCms.profileToProfile(meant, srgb, p3, renderingIntent=1)
    assert stored is not None
    clean = published(encoded(stored, quality=95, subsampling=0, icc_profile=P3))
    shown = Image.open(io.BytesIO(clean))
    assert "icc_profile" not in shown.info
    away = np.asarray(shown).astype(float) - np.asarray(meant)
    assert np.abs(away).mean() < 3
