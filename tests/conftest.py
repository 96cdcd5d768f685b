"""Pictures, recipes and one finished small build that many tests share."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ["EMO8_REMOVALS"] = os.devnull  # never the list of whoever runs the tests
os.environ["EMO8_DERIVED"] = os.devnull  # nor their notes

from emo8.core.taxonomy import STYLES
from emo8.demo import sample
from tests.hub_server import TOKEN, Hub, serve

CORPUS = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"


def picture(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A picture no other seed resembles: smooth coloured blobs."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, fmt: str = "JPEG", **options: object) -> bytes:
    """The picture as bytes of a file; skips where the format's encoder is not installed."""
    if fmt == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    if fmt == "JXL":
        pytest.importorskip("pyjpegxl.pillow").register()
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


@pytest.fixture
def corpus() -> Path:
    """The captioned corpus beside the checkout; tests that need it skip without it."""
    if not CORPUS.is_dir():
        pytest.skip("needs the picture corpus beside the checkout")
    return CORPUS


@pytest.fixture(scope="session")
def sample_pictures() -> list[Path]:
    """Real pictures of the embedded sample, in sorted order, broken ones included."""
    return sorted(path for path in (sample.root() / "pictures").rglob("*.*") if path.is_file())


def write_recipe(folder: Path, body: str, name: str = "small") -> Path:
    """A recipe file in `folder` that labels with the embedded CLIP and downloads nothing.

    `picture` draws what no model was made for, and tests want labels: CLIP is asked to guess.
    """
    path = folder / "recipe.toml"
    rest = '[people]\ndetector = "off"\n[labels]\nclip = ["embedded"]\n'
    rest += 'out_of_domain = "guess"\n'
    path.write_text(f'name = "{name}"\n{body}\n{rest}')
    return path


@pytest.fixture(scope="session")
def make_inputs() -> Callable[[Path], Path]:
    """A function that fills a folder with two small sources and gives back their recipe."""

    def make(folder: Path) -> Path:
        for number, style in enumerate(STYLES):
            (folder / "pictures" / style).mkdir(parents=True)
            for k in range(4):
                path = folder / "pictures" / style / f"{k}.jpg"
                path.write_bytes(encoded(picture(10 * number + k)))
        cartoon = folder / "pictures" / "cartoon"
        (cartoon / "broken.jpg").write_bytes((cartoon / "0.jpg").read_bytes()[:900])
        (cartoon / "notes.jpg").write_bytes(b"not a picture at all")
        (cartoon / "tiny.png").write_bytes(encoded(picture(90, (20, 20)), "PNG"))
        (cartoon / "copy.jpg").write_bytes((cartoon / "1.jpg").read_bytes())
        again = encoded(Image.open(cartoon / "2.jpg"), quality=60)
        (cartoon / "recompressed.jpg").write_bytes(again)
        rows = [
            {
                "image": {"bytes": encoded(picture(100 + k), "PNG"), "path": f"{k}.png"},
                "title": f"blobs number {k}",
                "style": "natural",
                "feeling": ["awe", "fear", None, "sad"][k % 4],
                "license": "CC0-1.0",
                "people": [{"x0": 0.1, "y0": 0.2, "x1": 0.6, "y1": 0.9, "score": 1.0}],
            }
            for k in range(12)
        ]
        pq.write_table(pa.Table.from_pylist(rows), folder / "more.parquet")
        return write_recipe(
            folder,
            """
[[source]]
kind = "folder"
path = "pictures"
style_from = "folder"
license = "CC0-1.0"
[[source]]
kind = "table"
path = "*.parquet"
columns = { caption = "title", emotion = "feeling" }
[ingest]
part_rows = 10
""",
        )

    return make


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, make_inputs: Callable[[Path], Path]) -> Path:
    """A folder with inputs, `recipe.toml`, and the finished build `BUILD`; do not change it."""
    from emo8.pipeline.run import build

    folder = tmp_path_factory.mktemp("small")
    result = build(make_inputs(folder), folder / "BUILD", workers=2)
    assert result.failed_parts == 0
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A running Hub that this process's huggingface_hub talks to; waits are counted, not waited."""
    from huggingface_hub import constants

    from emo8.publish import hub as hub_module

    with serve() as server:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        others, really_sleep = set(threading.enumerate()), time.sleep
        others.discard(threading.current_thread())

        def sleep(seconds: float) -> None:
            """Counted; but threads that other tests left behind poll on, and must not spin."""
            if threading.current_thread() in others:
                really_sleep(seconds)
            else:
                server.requests.update(["sleep"])

        monkeypatch.setattr(hub_module.time, "sleep", sleep)
        yield server
