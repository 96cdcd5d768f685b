"""Small labelled sets: pictures whose colour gives the emotion away, most of the time."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

NAMES = ("anger", "awe", "fear", "sadness")
COLORS = {
    "anger": (200, 40, 40),
    "awe": (60, 120, 220),
    "fear": (60, 30, 90),
    "sadness": (90, 160, 90),
}


def face(emotion: str, seed: int) -> bytes:
    """A PNG in the colour of its emotion under so much noise that a probe is right mostly."""
    rng = np.random.default_rng(seed)
    base = np.array(COLORS[emotion]) + rng.normal(0, 45, 3)
    pixels = base + rng.normal(0, 30, (20, 24, 3))
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def face_rows(each: int = 12, names: Sequence[str] = NAMES, seed: int = 0) -> list[dict[str, Any]]:
    """Rows as a published dataset has them: `each` per emotion, in a mixed order, two vendors."""
    rows = [
        {
            "image": face(name, 1000 * seed + 100 * number + k),
            "emotion": name,
            "emotion_rule": "source",
            "vendor": ["left", "right"][k % 2],
            "codepoint": f"{name}-{k // 2}",
        }
        for number, name in enumerate(names)
        for k in range(each)
    ]
    order = np.random.default_rng(seed).permutation(len(rows))
    return [rows[i] for i in order]


def write(rows: list[dict[str, Any]], path: Path) -> Path:
    """The rows as a parquet file."""
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return write(face_rows(), tmp_path / "faces.parquet")


@pytest.fixture
def measure(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """A function that runs on a data set, by default of pixels by kNN, cached in tmp."""
    from benchmarks.run import RunConfig, run

    def call(data: Path | str, **options: Any) -> list[dict[str, Any]]:
        defaults = {"models": ("pixels:4",), "protocols": ("knn",), "cache": tmp_path / "cache"}
        config = RunConfig(data=str(data), **(defaults | options))
        return [result for result, _ in run(config)]

    return call


@pytest.fixture(autouse=True)
def own_datasets_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`load_dataset` keeps its copies in the test's own folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
