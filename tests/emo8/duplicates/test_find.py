"""Planted copies over real pictures of every style, look-alikes, and hostile pictures."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from benchmarks.lab.plants import KINDS, plant
from emo8.core.images import DecodeError, decode
from emo8.core.settings import DecideConfig
from emo8.core.taxonomy import STYLES
from emo8.demo import sample
from emo8.duplicates import find
from emo8.duplicates.candidates import candidates
from emo8.duplicates.views import COLUMNS, Views, empty_views, views_of
from emo8.measure.filters.base import perceptual_hash, prepare
from emo8.measure.filters.copies import DuplicateViews, content_box
from tests.conftest import encoded


def views(contents: list[bytes]) -> Views:
    from emo8.labels.clip.encoder import load

    records, pixels = [], []
    for content in contents:
        decoded = decode(content)
        shared = prepare(content, decoded)
        records.append({"phash": perceptual_hash(shared.grey), **DuplicateViews().measure(shared)})
        pixels.append(decoded.rgb)
    types = [(name, DuplicateViews.columns.get(name, pa.uint64())) for name in COLUMNS]
    table = pa.Table.from_pylist(records, pa.schema(types))
    vectors = load("embedded").embed_images(pixels)
    return views_of([(table, vectors)], len(contents), vectors.shape[1])


def copies(contents: list[bytes], styles: list[str]) -> set[tuple[int, int]]:
    config, seen = DecideConfig(), views(contents)
    pairs = candidates(seen, config)
    found = find.measured(seen, pairs, config.min_crop_sim)
    told = find.judged(found, find.limits_of(styles, config))
    told = told[told["verdict"] == "copy"]
    return set(zip(told["left"].tolist(), told["right"].tolist()))


@pytest.fixture(scope="module")
def originals() -> dict[str, list[Path]]:
    """A few real pictures of every style from the embedded sample."""
    root = sample.root() / "pictures"
    found = {}
    for style in STYLES:
        files = sorted(p for p in (root / style).rglob("*") if p.suffix in (".jpg", ".webp"))
        found[style] = [p for p in files if _usable(p)][:4]
    return found


def _usable(path: Path) -> bool:
    """The sample holds broken files too."""
    try:
        return min(decode(path.read_bytes()).rgb.shape[:2]) >= 100
    except DecodeError:
        return False


def test_find__planted_copies_of_every_style_by_kind(originals: dict[str, list[Path]]) -> None:
    rng = np.random.default_rng(0)
    contents, styles, planted = [], [], []
    for style, files in originals.items():
        for number, file in enumerate(files):
            image = Image.fromarray(decode(file.read_bytes()).rgb)
            own = len(contents)
            contents.append(file.read_bytes())
            for kind in list(KINDS)[number % 2 :: 2]:
                planted.append((kind, own, len(contents)))
                contents.append(plant(image, kind, rng))
            styles += [style] * (len(contents) - len(styles))
    joined = copies(contents, styles)
    missed = [(kind, styles[own]) for kind, own, copy in planted if (own, copy) not in joined]
    assert len(missed) <= 0.05 * len(planted), missed
    family = {copy: own for _, own, copy in planted}
    false = [(a, b) for a, b in joined if family.get(a, a) != family.get(b, b)]
    assert not false


def test_find__variants_of_one_drawing_are_no_copies() -> None:
    def face(mouth: tuple[int, int, int, int], arc: tuple[int, int]) -> bytes:
        from PIL import ImageDraw

        image = Image.new("RGB", (144, 144), "white")
        pen = ImageDraw.Draw(image)
        pen.ellipse((8, 8, 136, 136), fill="#ffcc33")
        pen.ellipse((44, 48, 58, 66), fill="black")
        pen.ellipse((86, 48, 100, 66), fill="black")
        pen.arc(mouth, *arc, fill="black", width=6)
        return encoded(image, "PNG")

    smile, frown = face((44, 70, 100, 112), (0, 180)), face((44, 90, 100, 132), (180, 360))
    assert copies([smile, frown], ["cartoon", "cartoon"]) == set()


@pytest.mark.parametrize(
    "make",
    [
        lambda n: Image.new("RGB", (200, 150), (n, n, n)),  # blank
        lambda n: Image.new("RGB", (1, 1), (n, 0, 0)),  # one pixel
        lambda n: Image.new("RGB", (400, 1), (n, n, 0)),
    ],
)
def test_find__hostile_pictures_do_not_crash(make: Callable[[int], Image.Image]) -> None:
    contents = [encoded(make(n), "PNG") for n in (0, 90, 255)]
    assert all(a < b for a, b in copies(contents, ["natural"] * 3))


def test_find__nothing_to_search_finds_nothing() -> None:
    assert candidates(empty_views(0, 8), DecideConfig()).shape == (0, 2)


def test_content_box__takes_the_frame_and_leaves_the_picture() -> None:
    inner = np.random.default_rng(0).integers(0, 256, (60, 80), dtype=np.uint8)
    framed = np.pad(inner, 12, constant_values=255)
    assert (framed[content_box(framed)] == inner).all()
    blank = np.full((50, 50), 9, np.uint8)
    assert blank[content_box(blank)].shape == (50, 50)


def test_plant__recompressed_copy_has_other_bytes_and_like_pixels() -> None:
    image = Image.fromarray(np.full((50, 50, 3), 130, np.uint8))
    again = Image.open(io.BytesIO(plant(image, "recompressed", np.random.default_rng(0))))
    assert abs(float(np.asarray(again).mean()) - 130) < 3
