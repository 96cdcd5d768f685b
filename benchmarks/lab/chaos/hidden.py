"""Pictures with hidden data, built and published: no byte of it may be in the release.

Each picture carries a secret of its own, in one kind of hiding place. The search knows nothing of
our readers and writers: the secret as plain bytes, in what zlib unpacks of PNG chunks, and in what
Pillow reads of metadata.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image, PngImagePlugin

from benchmarks.lab.chaos import aimed, inputs
from benchmarks.lab.chaos.commands import built, published
from benchmarks.lab.chaos.inputs import drawn, encoded
from benchmarks.lab.chaos.row import Asked, Row


def run(asked: Asked) -> Row:
    """One picture of every kind; all of them in one release."""
    row = Row(name="hidden metadata", promise="no byte of it is in the published files")
    rng = asked.rng()
    kinds = dict(list(_kinds(lambda: rng.randbytes(12).hex().encode()))[: asked.tries])
    for kind, (_, secret, data) in kinds.items():
        if not _found(secret, data):
            row.broken.append(f"{kind}: the search does not see it in the input")
    files = {f"{kind}.{suffix}": data for kind, (suffix, _, data) in kinds.items()}
    recipe = inputs.write_inputs(asked.folder, files)
    build, release = asked.folder / "BUILD", asked.folder / "release"
    for command in (built(recipe, build), published(build, release)):
        ended = aimed.run(command, asked.folder, asked.folder)
        if ended.code:
            row.count(ended.output[-600:])
            return row
    pictures = dict(_published(release))
    whole = [path.read_bytes() for path in release.rglob("*") if path.is_file()]
    for kind, (_, secret, data) in kinds.items():
        holders = [name for name, out in pictures.items() if _found(secret, out)]
        leaks = bool(holders) or any(secret in file for file in whole)
        there = hashlib.sha256(data).hexdigest() in pictures
        row.count(f"{kind}: its secret is published" if leaks else "" if there else f"{kind}: left")
    row.figures = {"published": len(pictures)}
    return row


def _published(release: Path) -> Iterator[tuple[str, bytes]]:
    """Id, the SHA-256 of the input file, and published bytes of every picture."""
    for shard in sorted(release.glob("data/*/*.parquet")):
        for row in pq.read_table(shard).to_pylist():
            if row["image"] and row["image"]["bytes"]:
                yield row["id"], row["image"]["bytes"]


def _found(secret: bytes, data: bytes) -> bool:
    """Whether a secret is in a picture file, by any of three ways."""
    if secret in data or secret.decode().encode("utf-16-le") in data:
        return True
    at = 8
    while data.startswith(b"\x89PNG") and at + 12 <= len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        if name != b"IDAT" and any(secret in part for part in _unpacked(data[at + 8 :][:size])):
            return True
        at += 12 + size
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        told = repr(image.info) + repr(dict(image.getexif()))
        told += "".join(repr(dict(image.getexif().get_ifd(ifd))) for ifd in (0x8769, 0x8825))
    return secret.decode() in told


def _unpacked(body: bytes) -> Iterator[bytes]:
    for start in (at + 1 for at, byte in enumerate(body[:90]) if not byte):
        try:
            yield zlib.decompressobj().decompress(body[start:])
        except zlib.error:
            continue


# The hiding places -----------------------------------------------------------------------------


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _exif(secret: bytes, tag: int, ifd: int = 0) -> Image.Exif:
    exif = Image.Exif()
    where = exif.get_ifd(ifd) if ifd else exif
    where[tag] = secret if tag == 0x927C else secret.decode()
    return exif


_APPS = {
    "xmp": (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>%s</x:xmpmeta>"),
    "xmp-extended": (0xE1, b"http://ns.adobe.com/xmp/extension/\0%s"),
    "iptc": (0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x1d\x1c\x02\x50\0\x18%s"),
    "flashpix": (0xE2, b"FPXR\0%s"),
    "multi-picture": (0xE2, b"MPF\0%s"),
    "ducky": (0xEC, b"Ducky\0%s"),
    "adobe-text": (0xEE, b"Adobe\0\x64\0\0\0\0\x01%s"),
    "ciff": (0xE0, b"II\x1a\0\0\0HEAPJPGM%s"),
    "jfxx": (0xE0, b"JFXX\0\x13\x03\x02%s"),
    "own-app": (0xEF, b"%s"),
    "comment": (0xFE, b"%s"),
    "jumbf": (0xEB, b"JP\0\x01\0\0\0\x01\0\0\0\x20jumb%s"),
}  # fmt: skip


def _kinds(new: object) -> Iterator[tuple[str, tuple[str, bytes, bytes]]]:
    """Name, and suffix, secret and bytes of a picture with it, kind by kind."""
    assert callable(new)
    number = 1000

    def plain(fmt: str, **options: object) -> bytes:
        nonlocal number
        number += 1
        return encoded(drawn(number), fmt, **options)

    for kind, (marker, body) in _APPS.items():
        secret, data = new(), plain("JPEG")
        yield kind, ("jpg", secret, data[:20] + _segment(marker, body % secret) + data[20:])
    secret, data = new(), plain("JPEG", progressive=True)
    second = data.find(b"\xff\xc4", data.find(b"\xff\xda"))
    yield "between-scans", ("jpg", secret, data[:second] + _segment(0xE1, secret) + data[second:])
    secret, data = new(), plain("JPEG")
    yield "stray", ("jpg", secret, data[:20] + secret + data[20:])
    for kind, tag, ifd in (
        ("exif", 0x010F, 0),
        ("maker-note", 0x927C, 0x8769),
        ("gps", 0x1D, 0x8825),
    ):
        yield f"jpeg-{kind}", ("jpg", secret := new(), plain("JPEG", exif=_exif(secret, tag, ifd)))
    preview = encoded(drawn(1), comment=(secret := new()))
    yield "preview", ("jpg", secret, plain("JPEG") + preview)
    profile = (secret := new()).join([b"\0" * 64, b"\0" * 64])
    data = plain("JPEG")
    icc = _segment(0xE2, b"ICC_PROFILE\0\x01\x01" + profile)
    yield "broken-profile", ("jpg", secret, data[:20] + icc + data[20:])
    for fmt in ("JPEG", "PNG", "WEBP"):
        yield f"tail-{fmt.lower()}", (fmt.lower(), secret := new(), plain(fmt) + secret)
    for kind, compressed in (("text", False), ("packed-text", True)):
        info = PngImagePlugin.PngInfo()
        info.add_text("Author", (secret := new()).decode(), zip=compressed)
        yield f"png-{kind}", ("png", secret, plain("PNG", pnginfo=info))
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", (secret := new()).decode(), zip=True)
    yield "png-xmp", ("png", secret, plain("PNG", pnginfo=info))
    for name in (b"prVt", b"zxIf"):
        secret, data = new(), plain("PNG")
        yield f"png-{name.decode()}", ("png", secret, data[:33] + _chunk(name, secret) + data[33:])
    for fmt in ("PNG", "WEBP", "AVIF"):
        secret = new()
        yield f"{fmt.lower()}-exif", (fmt.lower(), secret, plain(fmt, exif=_exif(secret, 0x010F)))
    for fmt in ("WEBP", "AVIF"):
        yield f"{fmt.lower()}-xmp", (fmt.lower(), secret := new(), plain(fmt, xmp=secret))
    secret, data = new(), plain("WEBP")
    body = data[12:] + b"note" + struct.pack("<I", len(secret)) + secret
    yield (
        "webp-chunk",
        ("webp", secret, b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body),
    )
    secret, data = new(), plain("AVIF")
    yield (
        "avif-box",
        ("avif", secret, data + struct.pack(">I4s", 8 + len(secret), b"uuid") + secret),
    )
    yield "gif-comment", ("gif", secret := new(), plain("GIF", comment=secret))
