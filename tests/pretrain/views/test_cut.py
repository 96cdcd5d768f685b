"""Where views are cut from, at the edges of what a dataset may hold."""

from typing import Any

import numpy as np
import pytest
import torch

from pretrain.config.settings import ViewConfig
from pretrain.views import cut

CONFIG = ViewConfig(person_margin=0.0, person_min_side_px=8)


def box(x0: float, y0: float, x1: float, y1: float) -> dict[str, Any]:
    return {"x0": x0, "y0": y0, "x1": x1, "y1": y1, "score": 1.0}


def test_person_region__is_a_square_around_the_box() -> None:
    assert cut.person_region([box(0.4, 0.2, 0.5, 0.6)], 100, 100, CONFIG) == (25, 20, 65, 60)


def test_person_region__margin_counts_the_longer_side() -> None:
    config = ViewConfig(person_margin=0.5)
    assert cut.person_region([box(0.4, 0.4, 0.6, 0.6)], 100, 100, config) == (30, 30, 70, 70)


def test_person_region__moves_inside_the_picture() -> None:
    assert cut.person_region([box(0.0, 0.0, 0.1, 0.5)], 100, 100, CONFIG) == (0, 0, 50, 50)


def test_person_region__is_cut_where_the_picture_is_too_narrow() -> None:
    assert cut.person_region([box(0.1, 0.0, 0.9, 1.0)], 50, 200, CONFIG) == (0, 0, 50, 200)


def test_person_region__box_partly_outside_is_clipped() -> None:
    assert cut.person_region([box(-0.5, -0.5, 0.5, 0.5)], 100, 100, CONFIG) == (0, 0, 50, 50)


def test_person_region__tiny_box_grows_to_the_minimum() -> None:
    region = cut.person_region([box(0.5, 0.5, 0.501, 0.501)], 100, 100, CONFIG)
    assert region == (46, 46, 54, 54)


@pytest.mark.parametrize(
    "people",
    [
        None,
        [],
        [box(0.3, 0.3, 0.3, 0.8)],
        [box(0.8, 0.3, 0.2, 0.8)],
        [box(1.2, 1.2, 1.5, 1.5)],
        [box(float("nan"), 0.0, 1.0, 1.0)],
        [{"x0": None, "y0": 0.0, "x1": 1.0, "y1": 1.0, "score": 1.0}],
    ],
    ids=["null", "none", "zero area", "inverted", "outside", "nan", "half a box"],
)
def test_person_region__nobody_usable_is_none(people: list[dict[str, Any]] | None) -> None:
    assert cut.person_region(people, 100, 80, CONFIG) is None


def test_person_region__unusable_box_gives_way_to_the_next() -> None:
    people = [box(0.3, 0.3, 0.3, 0.8), box(0.0, 0.0, 0.5, 0.5)]
    assert cut.person_region(people, 100, 100, CONFIG) == (0, 0, 50, 50)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 50), (300, 2), (64, 48)])
def test_random_box__lies_inside_and_has_area(width: int, height: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        left, top, right, bottom = cut.random_box(rng, width, height, (0.2, 1.0), (0.75, 4 / 3))
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_random_box__keeps_to_scale_and_ratio() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        left, top, right, bottom = cut.random_box(rng, 400, 400, (0.2, 0.5), (0.75, 4 / 3))
        share = (right - left) * (bottom - top) / 400**2
        assert 0.19 < share < 0.51
        assert 0.74 < (right - left) / (bottom - top) < 1.35


def test_cut__takes_the_box_and_flips() -> None:
    image = torch.arange(48, dtype=torch.uint8).reshape(4, 4, 3)
    view = cut.cut(image, (1, 1, 3, 3), 2)
    assert torch.equal(view, image[1:3, 1:3].permute(2, 0, 1))
    assert torch.equal(cut.cut(image, (1, 1, 3, 3), 2, flip=True), view.flip(-1))


def test_cut__shrinks_with_antialiasing() -> None:
    stripes = torch.zeros(64, 64, 3, dtype=torch.uint8)
    stripes[:, ::2] = 255
    view = cut.cut(stripes, (0, 0, 64, 64), 8).int()
    assert (view - 127).abs().max() < 40  # without antialiasing: all black or all white


def test_shrink__never_enlarges() -> None:
    image = torch.zeros(20, 40, 3, dtype=torch.uint8)
    assert cut.shrink(image, 30).shape == (20, 40, 3)
    assert cut.shrink(image, 10).shape == (10, 20, 3)


def test_normalise__denormalise_brings_the_pixels_back() -> None:
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
    assert torch.equal(cut.denormalise(cut.normalise(pixels, mean, std), mean, std), pixels)
