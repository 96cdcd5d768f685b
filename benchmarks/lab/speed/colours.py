"""What colour profiles cost: decoding and the whole measuring pass, per kind of profile.

    python -m benchmarks.speed colours --pictures 'pictures/*.parquet' --out colours.json

The same JPEGs four times: without a profile, tagged sRGB, Display P3 and Adobe RGB. `without` is
decoding as it was before profiles were read: header, EXIF, libjpeg-turbo. Times are CPU seconds of
one process on one thread, taken in turns, the least over rounds.
"""

from __future__ import annotations

import io
import struct
import sys
import time
from collections.abc import Callable, Sequence

import pyarrow as pa
import simplejpeg
from PIL import Image, ImageCms

from benchmarks.lab.speed.ingest import of_two_sizes
from emo8.core.images import decode
from emo8.measure.step import Measure

# Red, green and blue of the profiles, adapted to D50.
_PRIMARIES = {
    "display_p3": (0.51512, 0.2412, -0.00105, 0.29198, 0.69225, 0.04189, 0.1571, 0.06657, 0.78407),
    "adobe_rgb": (0.60974, 0.31111, 0.01947, 0.20528, 0.62567, 0.06087, 0.14919, 0.06322, 0.74457),
}


def profile(primaries: Sequence[float]) -> bytes:
    """An ICC profile of these primaries and a gamma of 2.2."""
    columns = [primaries[k : k + 3] for k in (0, 3, 6)]
    bodies = [b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in c)) for c in columns]
    bodies += [b"curv" + struct.pack(">IIHxx", 0, 1, 563)] * 3
    bodies.append(b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061))
    names = (b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"wtpt")
    table, body, start = b"", b"", 132 + 12 * len(names)
    for name, content in zip(names, bodies, strict=True):
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s12x4s", start + len(body), b"lcms", 0x02400000, b"mntr",
                       b"RGB ", b"XYZ ", b"acsp")  # fmt: skip
    head += bytes(68 - len(head)) + struct.pack(">3i", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(names)) + table + body


def tagged(data: bytes, icc: bytes) -> bytes:
    """The JPEG with a profile, its compressed pixels as they are."""
    body = b"ICC_PROFILE\0\1\1" + icc
    return data[:2] + b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body + data[2:]


def before(data: bytes) -> object:
    """The decoder without a look at profiles."""
    image = Image.open(io.BytesIO(data))
    image.getexif()
    return simplejpeg.decode_jpeg(data, "RGB", strict=True)


def measure(pictures: list[bytes], rounds: int) -> dict[str, float]:
    """CPU milliseconds per picture of each way, and what profiles leave of the speed."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    kinds = {"plain": pictures, "srgb": [tagged(data, srgb) for data in pictures]}
    for name, primaries in _PRIMARIES.items():
        kinds[name] = [tagged(data, profile(primaries)) for data in pictures]
    step = Measure(max_pixels=100_000_000)

    def build(data: bytes) -> object:
        part = pa.table({"image": [{"bytes": data, "path": None}], "source_path": ["a.jpg"]})
        return step.run({"rows": part}, None)

    ways: dict[str, tuple[Callable[[bytes], object], list[bytes]]] = {"without": (before, pictures)}
    for name, datas in kinds.items():
        ways[f"decode_{name}"] = (decode, datas)
        ways[f"build_{name}"] = (build, datas)
    times = {name: float("inf") for name in ways}
    for _ in range(rounds):
        for name, (way, datas) in ways.items():
            start = time.process_time()
            for data in datas:
                way(data)
            spent = (time.process_time() - start) / len(datas) * 1000
            times[name] = min(times[name], spent)
    found = {f"{name}_ms": spent for name, spent in times.items()}
    found["plain_to_without"] = times["without"] / times["decode_plain"]
    for name in ("srgb", *_PRIMARIES):
        for way in ("decode", "build"):
            found[f"{way}_{name}_to_plain"] = times[f"{way}_plain"] / times[f"{way}_{name}"]
    return {key: round(value, 3) for key, value in found.items()}


def main(argv: Sequence[str] | None = None) -> int:
    return of_two_sizes(measure, __doc__, argv, count=16, rounds=9)


if __name__ == "__main__":
    sys.exit(main())
