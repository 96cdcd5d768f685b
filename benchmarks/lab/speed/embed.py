"""Pictures embedded per second on all cores: a build's step, the model alone, two plain loops.

    python -m benchmarks.speed embed --pictures 'pictures/*.parquet' --out embed.json

The model is an untrained ViT-B-32: weights do not change the speed. Ours is the `embed` step of a
build on its own engine, one process per core, in the precision the build would choose. The model
alone gets batches that are ready, in the same precision, on all cores. The plain loops are what a
first script does with open_clip in fp32 on all cores: one picture at a time, and 32. Ways take
turns; medians over rounds.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from benchmarks.lab.output import tell
from benchmarks.lab.speed.ingest import photographs
from emo8.core import schema
from emo8.engine.files import write_part
from emo8.engine.local import LocalEngine
from emo8.engine.steps import ROWS, PartTask, part_path
from emo8.labels import clip_steps
from emo8.labels.clip import recorded
from emo8.labels.clip.encoder import Encoder, best_precision, load
from emo8.labels.clip.folder_models import write_untrained

ARCHITECTURE = "ViT-B-32"
BATCH = 32
SIZE = (800, 600)


def write_parts(build: Path, pictures: list[bytes], num_parts: int) -> None:
    """The pictures as a build would have them before the step."""
    for part in range(num_parts):
        own = pictures[part::num_parts]
        images = [{"bytes": data, "path": None} for data in own]
        rows = pa.Table.from_pylist([{"image": image} for image in images], schema=schema.ROWS)
        write_part(rows, part_path(build, ROWS, part), "")
        reasons = pa.table({"decode_reason": pa.nulls(len(own), pa.string())})
        write_part(reasons, part_path(build, "measure", part), "")


def alone(encoder: Encoder, pictures: list[bytes]) -> Callable[[], object]:
    """The image tower on batches that are ready."""
    import torch

    ready = [encoder.preprocess(Image.open(io.BytesIO(data))) for data in pictures[:BATCH]]
    batch = torch.stack(ready).to(encoder.input_dtype)

    def work() -> None:
        with torch.inference_mode():
            for start in range(0, len(pictures), BATCH):
                encoder.model.encode_image(batch[: len(pictures) - start])

    return work


def plain(encoder: Encoder, pictures: list[bytes], batch_size: int) -> Callable[[], object]:
    """Open, preprocess, encode: what a first script does."""
    import torch

    def work() -> None:
        for start in range(0, len(pictures), batch_size):
            opened = [Image.open(io.BytesIO(d)) for d in pictures[start : start + batch_size]]
            batch = torch.stack([encoder.preprocess(image) for image in opened])
            with torch.inference_mode():
                features = encoder.model.encode_image(batch)
                features / features.norm(dim=-1, keepdim=True)

    return work


def measure(pictures: list[bytes], rounds: int, folder: Path) -> dict[str, Any]:
    """Pictures per second of each way, and ours against the others."""
    import torch

    cores = os.cpu_count() or 1
    torch.set_num_threads(cores)
    (folder / "model").mkdir()
    name = write_untrained(ARCHITECTURE, folder / "model")
    precision = best_precision(name)
    step = clip_steps.Embed(model=recorded.resolve(name, precision), max_pixels=100_000_000)
    write_parts(folder, pictures, cores)
    tasks = [PartTask(step=step, build=folder, part=n, fingerprint="") for n in range(cores)]
    fp32, best = load(name), load(name, precision=precision)
    times: dict[str, list[float]] = {}
    with LocalEngine(workers=cores) as engine:
        ways: dict[str, Callable[[], object]] = {
            "ours": lambda: [_require_done(outcome.error) for outcome in engine.run(tasks)],
            "model_alone": alone(best, pictures),
            "plain_batch_1": plain(fp32, pictures, 1),
            "plain_batch_32": plain(fp32, pictures, BATCH),
        }
        for number in range(rounds + 1):
            for way, work in ways.items():
                start = time.perf_counter()
                work()
                if number:  # the first round warms up: workers load their model
                    times.setdefault(way, []).append(time.perf_counter() - start)
    speed = {way: len(pictures) / statistics.median(found) for way, found in times.items()}
    found: dict[str, Any] = {f"{way}_per_s": round(value, 2) for way, value in speed.items()}
    for way in ("model_alone", "plain_batch_1", "plain_batch_32"):
        found[f"ours_to_{way}"] = round(speed["ours"] / speed[way], 3)
    return {"model": ARCHITECTURE, "precision": precision, "cores": cores, **found}


def _require_done(error: str | None) -> None:
    if error:
        raise SystemExit(error)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pictures", required=True, help="parquet files or JPEGs, a glob")
    parser.add_argument("--count", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    pictures = photographs(arguments.pictures, arguments.count, SIZE)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(pictures, arguments.rounds, Path(folder))
    tell(found, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
