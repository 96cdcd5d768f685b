"""Which of several near copies stays, in a whole build."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image, ImageFilter

from emo8.demo import sample
from emo8.pipeline.run import build
from tests.conftest import encoded, write_recipe


def _stays(folder: Path, make: Callable[[Image.Image], dict[str, bytes]]) -> dict[str, str | None]:
    """Reason by file of a build over what `make` gives of a real picture."""
    original = Image.open(sorted((sample.root() / "pictures" / "natural").rglob("*.jpg"))[0])
    (folder / "pictures").mkdir()
    for name, data in make(original.convert("RGB")).items():
        (folder / "pictures" / name).write_bytes(data)
    recipe = write_recipe(
        folder, '[[source]]\nkind = "folder"\npath = "pictures"\nstyle = "natural"'
    )
    build(recipe, folder / "BUILD", workers=1)
    rows = pq.read_table(folder / "BUILD" / "tables" / "verdicts.parquet").to_pylist()
    return {row["source_path"]: row["reason"] for row in rows}


def test_near_copies__the_sharp_one_stays_though_the_blurred_one_comes_first(
    tmp_path: Path,
) -> None:
    def make(image: Image.Image) -> dict[str, bytes]:
        blurred = image.filter(ImageFilter.GaussianBlur(2))
        return {"a-blurred.jpg": encoded(blurred), "b-sharp.jpg": encoded(image, quality=90)}

    assert _stays(tmp_path, make) == {"a-blurred.jpg": "duplicate_near", "b-sharp.jpg": None}


def test_near_copies__more_pixels_count_before_sharpness(tmp_path: Path) -> None:
    def make(image: Image.Image) -> dict[str, bytes]:
        half = image.resize((image.width // 2, image.height // 2))
        return {"a-small.jpg": encoded(half), "b-large.jpg": encoded(image, quality=90)}

    assert _stays(tmp_path, make) == {"a-small.jpg": "duplicate_near", "b-large.jpg": None}
