import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from benchmarks.lab.plants import KINDS
from emo8.duplicates.colour import difference


def drawing(colour: str) -> Image.Image:
    image = Image.new("RGB", (160, 160), "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((20, 20, 140, 140), fill=colour)
    pen.rectangle((60, 60, 80, 120), fill="#403020")
    return image


def small(image: Image.Image) -> np.ndarray:
    rgb = cv2.resize(np.asarray(image.convert("RGB")), (16, 16), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb).astype(np.float32) - (0, 128, 128)


@pytest.mark.parametrize("kind", ["grey", "tinted", "saturation", "hue_shifted", "contrast"])
def test_difference__recoloured_copies_differ_little(kind: str) -> None:
    image = drawing("#c03040")
    changed = KINDS[kind](image, np.random.default_rng(0))
    assert difference(small(image), small(changed)) < 0.15


@pytest.mark.parametrize("colour", ["#3040c0", "#20a040", "#000000", "#d0c020"])
def test_difference__one_drawing_in_two_colours_is_told(colour: str) -> None:
    assert difference(small(drawing("#c03040")), small(drawing(colour))) > 0.15


def test_difference__grey_pictures_have_no_colour_to_differ_in() -> None:
    grey = drawing("#808080")
    assert difference(small(grey), small(ImageEnhance.Brightness(grey).enhance(0.6))) < 0.05
