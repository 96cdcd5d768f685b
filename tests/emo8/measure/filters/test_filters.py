"""Each number against its definition, written slowly."""

import math

import numpy as np
import pytest
from PIL import Image

from emo8.core.images import decode
from emo8.measure.filters import FILTERS
from emo8.measure.filters.base import MEASURED_SIDE_PX, perceptual_hash, prepare
from emo8.measure.filters.colour import brightness, colorfulness
from tests.conftest import encoded, picture


def measured(image: Image.Image, fmt: str = "PNG", name: str = "a.png") -> dict[str, object]:
    data = encoded(image, fmt)
    prepared = prepare(data, decode(data), name)
    return {key: value for item in FILTERS for key, value in item.measure(prepared).items()}


def test_exposure__percentiles_follow_cleanvisions_definition() -> None:
    for seed in range(5):
        image = picture(seed, (120, 80))
        rgb = np.asarray(image).astype(float)
        weighted = rgb**2 @ np.asarray([0.241, 0.691, 0.068])
        slow = np.percentile(np.sqrt(weighted) / 255, [5, 99])
        found = measured(image)
        assert [found["bright_p5"], found["bright_p99"]] == pytest.approx(slow, abs=0.006)


def test_quality__numbers_equal_plain_numpy() -> None:
    image = picture(3, (200, 100))
    grey = np.asarray(image.convert("L")).astype(float)
    found = measured(image)
    assert found["contrast"] == pytest.approx(grey.std(), abs=0.3)
    inner = np.pad(grey, 1, mode="reflect")
    laplace = inner[:-2, 1:-1] + inner[2:, 1:-1] + inner[1:-1, :-2] + inner[1:-1, 2:] - 4 * grey
    assert found["sharpness"] == pytest.approx(laplace.var(), rel=0.1)
    assert found["entropy_bits"] == pytest.approx(image.convert("L").entropy(), abs=0.05)


def test_colour__grey_has_none_and_a_test_chart_has_much() -> None:
    grey = np.full((50, 50), 128, np.uint8)
    assert colorfulness(grey, grey, grey) == 0
    assert brightness(grey, grey, grey) == 0.5
    rng = np.random.default_rng(0)
    red, green, blue = (rng.integers(0, 2, (50, 50), dtype=np.uint8) * 255 for _ in range(3))
    assert colorfulness(red, green, blue) >= 0.9
    difference = red.astype(float) - green
    yellow = (red.astype(float) + green) / 2 - blue
    slow = 0.02 * math.prod(math.log(o.var() / abs(o.mean()) ** 0.2) for o in (difference, yellow))
    assert colorfulness(red, green, blue) == round(min(1.0, slow / 1.25), 1)


@pytest.mark.parametrize(
    ("fmt", "name", "agrees"),
    [("PNG", "a.png", True), ("PNG", "x/a.JPG", False), ("PNG", "t.parquet#3", None)],
)
def test_integrity__name_against_content(fmt: str, name: str, agrees: bool | None) -> None:
    assert measured(picture(1), fmt, name)["suffix_agrees"] is agrees


def test_integrity__gps_is_seen() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 30.0)
    data = encoded(picture(1), exif=exif)
    assert decode(data).has_gps and not decode(encoded(picture(1))).has_gps


@pytest.mark.parametrize("size", [(1400, 900), (3000, 2000), (513, 512), (5000, 3), (40, 30)])
def test_prepare__large_pictures_measure_like_their_small_selves(size: tuple[int, int]) -> None:
    image = picture(7, size)
    data = encoded(image, "PNG")
    prepared = prepare(data, decode(data))
    assert max(prepared.grey.shape) == min(max(size), MEASURED_SIDE_PX)
    if min(size) > 100:
        same = image.resize(prepared.grey.shape[::-1], Image.Resampling.BOX)
        again = measured(same)
        for key in ("contrast", "entropy_bits", "brightness", "colorfulness"):
            assert measured(image)[key] == pytest.approx(again[key], rel=0.02), key
        grey = np.asarray(image.convert("L").resize(same.size, Image.Resampling.BOX))
        assert (perceptual_hash(prepared.grey) ^ perceptual_hash(grey)).bit_count() <= 2
