"""Every kind of hidden data, put into a clean file of each format and found at its offset."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image

from emo8.dataset.bare import BARE
from emo8.publish.findings import KINDS
from emo8.publish.picture_scan import scan
from tests.conftest import encoded, picture

MARK = b"51.5007N"


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def camera() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 30.0)
    exif.get_ifd(0x8769)[0x927C] = b"maker's own"
    return exif


def jpeg_with(*segments: bytes) -> bytes:
    data = encoded(picture(1))
    return data[:20] + b"".join(segments) + data[20:]


def png_with(*chunks: bytes) -> bytes:
    data = encoded(picture(1), "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def webp_with(*chunks: bytes) -> bytes:
    data = encoded(picture(1), "WEBP")[12:] + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(data) + 4) + b"WEBP" + data


def between_scans(extra: bytes) -> bytes:
    data = encoded(picture(4), progressive=True)
    second = data.find(b"\xff\xc4", data.find(b"\xff\xda"))
    return data[:second] + extra + data[second:]


PREVIEW = encoded(picture(2, (16, 16)))
HIDDEN: dict[str, tuple[bytes, set[str]]] = {
    "exif": (encoded(picture(1), exif=camera()), {"exif", "gps", "maker_note"}),
    "xmp": (encoded(picture(1), xmp=b"<x:xmpmeta/>"), {"xmp"}),
    "comment": (encoded(picture(1), comment=MARK), {"comment"}),
    "iptc": (jpeg_with(segment(0xED, b"Photoshop 3.0\0" + MARK)), {"iptc"}),
    "profile": (jpeg_with(segment(0xE2, b"ICC_PROFILE\0\1\1" + MARK)), {"icc_profile"}),
    "jfxx": (jpeg_with(segment(0xE0, b"JFXX\0\x10" + PREVIEW)), {"thumbnail"}),
    "app0": (jpeg_with(segment(0xE0, b"CIFF" + MARK)), {"unknown"}),
    "app14": (jpeg_with(segment(0xEE, b"Adobe\0\x64\0\0\0\0\1" + MARK)), {"text"}),
    "app15": (jpeg_with(segment(0xEF, MARK)), {"unknown"}),
    "stray": (jpeg_with(b"stray"), {"stray_bytes"}),
    "mpf": (between_scans(segment(0xE2, b"MPF\0" + MARK)), {"second_picture"}),
    "scan comment": (between_scans(segment(0xFE, MARK)), {"comment"}),
    "second picture": (encoded(picture(1)) + PREVIEW, {"second_picture"}),
    "motion photo": (encoded(picture(1)) + b"\0\0\0\x18ftypmp42", {"second_picture"}),
    "tail": (encoded(picture(1)) + MARK, {"trailing_bytes"}),
    "png text": (png_with(chunk(b"tEXt", b"Author\0" + MARK)), {"text"}),
    "png xmp": (png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0x")), {"xmp"}),
    "png exif": (encoded(picture(1), "PNG", exif=camera()), {"exif", "gps", "maker_note"}),
    "png time": (png_with(chunk(b"tIME", b"\x07\xe8\1\1\1\1\1")), {"unknown"}),
    "png frames": (png_with(chunk(b"acTL", bytes(8))), {"second_picture"}),
    "png tail": (encoded(picture(1), "PNG") + MARK, {"trailing_bytes"}),
    "webp exif": (encoded(picture(1), "WEBP", exif=camera()), {"exif", "gps", "maker_note"}),
    "webp xmp": (encoded(picture(1), "WEBP", xmp=b"<x:xmpmeta/>"), {"xmp"}),
    "webp chunk": (webp_with(b"note" + struct.pack("<I", 8) + MARK), {"unknown"}),
    "webp tail": (encoded(picture(1), "WEBP") + MARK, {"trailing_bytes"}),
    "avif exif": (encoded(picture(1), "AVIF", exif=camera()), {"exif", "gps", "maker_note"}),
    "avif xmp": (encoded(picture(1), "AVIF", xmp=b"<x:xmpmeta/>"), {"xmp"}),
    "avif box": (encoded(picture(1), "AVIF") + b"\0\0\0\x10uuid" + MARK, {"unknown"}),
    "avif tail": (encoded(picture(1), "AVIF") + MARK, {"trailing_bytes"}),
    "gif": (encoded(picture(1), "GIF"), {"format"}),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_scan__finds_what_is_hidden_and_where(name: str) -> None:
    data, kinds = HIDDEN[name]
    found = scan(data)
    assert {item.kind for item in found} == kinds <= set(KINDS)
    if MARK in data:
        assert any(item.offset <= data.index(MARK) for item in found)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_scan__clean_files_have_no_finding(fmt: str, mode: str) -> None:
    assert scan(encoded(picture(3).convert(mode), fmt)) == []
    assert scan(encoded(picture(3).convert(mode), fmt, quality=40)) == []


@pytest.mark.parametrize("name", HIDDEN)
def test_bare__leaves_behind_what_the_scan_finds(name: str) -> None:
    data = HIDDEN[name][0]
    fmt = "JPEG" if data[:2] == b"\xff\xd8" else "WEBP" if data[:4] == b"RIFF" else "AVIF"
    if name in ("gif", "stray") or name.startswith("png"):
        return
    clean = BARE[fmt](data)
    assert scan(clean) == [] and MARK not in clean


def test_scan__damaged_files_end_in_findings_not_errors() -> None:
    for data, _ in HIDDEN.values():
        for cut in range(0, len(data), 97):
            scan(data[:cut])
            broken = bytearray(data)
            broken[cut] ^= 0xFF
            scan(bytes(broken))
