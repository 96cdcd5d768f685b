"""Two views of every picture: our loader, ImageFolder with PIL, and decoding alone.

    python -m benchmarks.speed loader --pictures 'pictures/*.parquet' --out loader.json

Photographs of two sizes, JPEG at quality 85. Ours reads them from a parquet file through
`load_dataset` and gives the batches that training gets. The peer is torchvision's ImageFolder with
PIL: one decode, two random resized crops of the same scales. `decode_scaled` is libjpeg-turbo alone
with its default switches at the very scale that ours chose for each picture, `decode_full` at full
size (ours takes the fast DCT and plain chroma upsampling). One process, one
thread, in turns; CPU seconds of the round least disturbed by other work.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import simplejpeg
import torch
from torch.utils.data import DataLoader

from benchmarks.lab.output import tell
from benchmarks.lab.speed.ingest import photographs
from emo8.core.scaled_jpeg import ScaledJpeg
from pretrain.config import recipes
from pretrain.config.settings import PretrainConfig
from pretrain.data.batches import training_batches
from pretrain.data.dataset import DatasetSource, open_dataset

SIZES = ((2000, 1500), (800, 600))
BATCH = 16


def recipe(steps: int) -> PretrainConfig:
    """b16's views, loaded in this process."""
    base = recipes.b16()
    data = dataclasses.replace(base.data, batch_size=BATCH, num_workers=0)
    return dataclasses.replace(base, steps=steps, epochs=0.0, data=data)


def ours(pictures: list[bytes], folder: Path) -> tuple[Callable[[], int], list[int]]:
    """A function that loads every picture once, and the scale at which it decodes each."""
    import datasets

    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "image": datasets.Image(),
            "caption": datasets.Value("string"),
        }
    )
    rows = [
        {"id": str(k), "image": {"bytes": data, "path": None}, "caption": "a picture"}
        for k, data in enumerate(pictures)
    ]
    path = folder / "pictures.parquet"
    datasets.Dataset.from_list(rows, features=features).to_parquet(path)
    config = recipe(len(pictures) // BATCH)
    source = DatasetSource(open_dataset(str(path), None), config.data, config.views)

    def work() -> int:
        steps = training_batches(source, config, first_step=1, rank=0, num_ranks=1)
        return sum(len(batch.scene) + len(batch.person) for (batch,) in steps)

    scales, decode = list[int](), ScaledJpeg.decode
    ScaledJpeg.decode = lambda self, scale: (scales.append(scale), decode(self, scale))[1]  # type: ignore[method-assign,func-returns-value]
    try:
        work()
    finally:
        ScaledJpeg.decode = decode  # type: ignore[method-assign]
    return work, scales


def image_folder(pictures: list[bytes], folder: Path) -> Callable[[], int]:
    """The peer: the same views by torchvision and PIL."""
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    place = folder / "folder" / "all"
    place.mkdir(parents=True)
    for number, data in enumerate(pictures):
        (place / f"{number:05d}.jpg").write_bytes(data)
    views = recipes.b16().views

    def view(scale: tuple[float, float]) -> Callable[[object], torch.Tensor]:
        steps = [v2.RandomResizedCrop(224, scale, views.ratio), v2.RandomHorizontalFlip()]
        return v2.Compose([*steps, v2.PILToTensor()])

    scene, person = view(views.scene_scale), view(views.person_scale)
    dataset = ImageFolder(str(folder / "folder"), lambda image: (scene(image), person(image)))

    def work() -> int:
        loader = DataLoader(dataset, batch_size=BATCH, shuffle=True, drop_last=True)
        return sum(len(scenes) + len(people) for (scenes, people), _ in loader)

    return work


def decoding(pictures: list[bytes], size: tuple[int, int], scales: list[int]) -> Callable[[], int]:
    """libjpeg-turbo alone."""

    def work() -> int:
        for data, scale in zip(pictures, scales, strict=True):
            least = {"min_width": -(-size[0] // scale), "min_height": -(-size[1] // scale)}
            simplejpeg.decode_jpeg(data, "RGB", **least)
        return 2 * len(pictures)

    return work


def measure(pictures: list[bytes], size: tuple[int, int], rounds: int) -> dict[str, float]:
    """CPU milliseconds per picture of each way, and the ratios between them."""
    with tempfile.TemporaryDirectory() as folder:
        work, scales = ours(pictures, Path(folder))
        ways = {
            "ours": work,
            "image_folder": image_folder(pictures, Path(folder)),
            "decode_scaled": decoding(pictures, size, scales),
            "decode_full": decoding(pictures, size, [1] * len(pictures)),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                start = time.process_time()
                views = way()
                times[name].append((time.process_time() - start) / views * 2000)
    found = {f"{name}_ms": min(values) for name, values in times.items()}
    found["times_image_folder"] = found["image_folder_ms"] / found["ours_ms"]
    for name in ("decode_scaled", "decode_full"):
        found[f"share_of_{name}"] = found[f"{name}_ms"] / found["ours_ms"]
    return {key: round(value, 3) for key, value in found.items()}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pictures", required=True, help="parquet files or JPEGs, a glob")
    parser.add_argument("--count", type=int, default=96, help=f"pictures, a multiple of {BATCH}")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    results = []
    for size in SIZES:
        pictures = photographs(arguments.pictures, arguments.count, size)
        found = measure(pictures, size, arguments.rounds)
        results.append({"size": f"{size[0]}x{size[1]}", **found})
    tell({"sizes": results}, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
