"""CPU time per picture of our measuring, against a plain pipeline and against decoding alone.

    python -m benchmarks.speed ingest --pictures 'pictures/*.parquet' --out ingest.json

Ours is what `emo8 build` does to a part of pictures up to the embedding: SHA-256 of the bytes,
decoding, SHA-256 of the pixels, perceptual hash, every filter. The peer decodes with PIL and
computes imagehash's phash, an MD5 for exact copies and cleanvision's properties. Times are CPU
seconds of one process on one thread, taken in turns, the median over rounds.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import io
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
from PIL import Image

from benchmarks.lab.output import tell
from emo8.engine import malloc
from emo8.measure.step import Measure


def photographs(pattern: str, count: int, size: tuple[int, int]) -> list[bytes]:
    """`count` JPEGs of one size at quality 85, from the JPEGs in parquet files or a folder."""
    found: list[bytes] = []
    for name in sorted(glob.glob(pattern)):
        path = Path(name)
        if path.suffix == ".parquet":
            rows = pq.read_table(path, columns=["image"]).column(0).to_pylist()
            datas = [row["bytes"] if isinstance(row, dict) else row for row in rows]
        else:
            datas = [path.read_bytes()]
        for data in datas:
            if data[:2] == b"\xff\xd8":
                image = Image.open(io.BytesIO(data)).convert("RGB").resize(size)
                out = io.BytesIO()
                image.save(out, "JPEG", quality=85)
                found.append(out.getvalue())
            if len(found) == count:
                return found
    raise SystemExit(f"{pattern}: only {len(found)} JPEGs")


Work = Callable[[list[bytes]], object]


def ours() -> Work:
    step = Measure(max_pixels=100_000_000)

    def work(pictures: list[bytes]) -> object:
        ids = [hashlib.sha256(data).hexdigest() for data in pictures]
        images = [{"bytes": data, "path": None} for data in pictures]
        part = pa.table({"image": images, "source_path": ["a.jpg"] * len(images)})
        return ids, step.run({"rows": part}, None)

    return work


def each(way: Callable[[bytes], object]) -> Work:
    """A way that takes one picture, over all of them."""

    def work(pictures: list[bytes]) -> object:
        for data in pictures:
            way(data)
        return None

    return work


def peer() -> Callable[[bytes], object]:
    import imagehash
    from cleanvision.issue_managers import image_property as properties

    measures = [
        properties.BrightnessProperty("dark"),
        properties.AspectRatioProperty(),
        properties.EntropyProperty(),
        properties.BlurrinessProperty(),
        properties.ColorSpaceProperty(),
    ]

    def work(data: bytes) -> object:
        image = Image.open(io.BytesIO(data))
        image.load()
        exact = hashlib.md5(image.tobytes()).hexdigest()
        return exact, imagehash.phash(image), [item.calculate(image) for item in measures]

    return work


def decode_pil(data: bytes) -> object:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def decode_turbo(data: bytes) -> object:
    return simplejpeg.decode_jpeg(data, "RGB")


def measure(pictures: list[bytes], rounds: int) -> dict[str, float]:
    """CPU milliseconds per picture of each way, and the ratios between them."""
    ways: dict[str, Work] = {
        "ours": ours(),
        "peer": each(peer()),
        "decode_pil": each(decode_pil),
        "decode_turbo": each(decode_turbo),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            start = time.process_time()
            work(pictures)
            times[name].append((time.process_time() - start) / len(pictures) * 1000)
    found = {f"{name}_ms": statistics.median(values) for name, values in times.items()}
    found["times_peer"] = found["peer_ms"] / found["ours_ms"]
    found["share_of_pil_decode_speed"] = found["decode_pil_ms"] / found["ours_ms"]
    found["share_of_turbo_decode_speed"] = found["decode_turbo_ms"] / found["ours_ms"]
    return {key: round(value, 3) for key, value in found.items()}


def of_two_sizes(
    measure: Callable[[list[bytes], int], dict[str, float]],
    doc: str | None,
    argv: Sequence[str] | None,
    *,
    count: int,
    rounds: int,
) -> int:
    """A command that measures photographs (pictures, rounds) of two sizes in one process."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("--pictures", required=True, help="parquet files or JPEGs, a glob")
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    cv2.setNumThreads(1)
    malloc.keep_freed()  # as in the workers of a build; all ways gain
    results = []
    for size in ((800, 600), (2000, 1500)):
        pictures = photographs(arguments.pictures, arguments.count, size)
        results.append({"size": f"{size[0]}x{size[1]}", **measure(pictures, arguments.rounds)})
    tell({"sizes": results}, arguments.out)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    return of_two_sizes(measure, __doc__, argv, count=60, rounds=5)


if __name__ == "__main__":
    sys.exit(main())
