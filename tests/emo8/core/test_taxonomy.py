import itertools

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from emo8.core.taxonomy import (
    EMOTION_COLORS,
    EMOTIONS,
    POSITIVE,
    STYLE_COLORS,
    STYLES,
    parse_emotion,
    parse_style,
    polarity,
)

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
SEEN_AS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def lab(color: str, eyes: str) -> np.ndarray:
    """CIELAB of a colour as these eyes see it."""
    rgb = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(SEEN_AS[eyes]) @ linear, 0, 1)
    back = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(back[None, None])[0, 0])


@pytest.mark.parametrize("eyes", SEEN_AS)
@pytest.mark.parametrize(
    ("colors", "names", "least"), [(EMOTION_COLORS, EMOTIONS, 20), (STYLE_COLORS, STYLES, 17)]
)
def test_colors__any_two_differ_for_all_eyes(
    eyes: str, colors: dict[str, str], names: tuple[str, ...], least: float
) -> None:
    assert tuple(colors) == names
    seen = [lab(color, eyes) for color in colors.values()]
    pairs = itertools.combinations(seen, 2)
    assert min(float(deltaE_ciede2000(a, b)) for a, b in pairs) >= least


def test_emotions__order_is_alphabetical() -> None:
    assert list(EMOTIONS) == sorted(EMOTIONS)
    assert len(set(EMOTION_COLORS.values())) == len(EMOTIONS)


def test_polarity__four_of_each() -> None:
    assert len(POSITIVE) == 4
    assert {emotion for emotion in EMOTIONS if polarity(emotion) == "positive"} == POSITIVE


@pytest.mark.parametrize(
    ("text", "name"), [("Sad", "sadness"), ("AWE ", "awe"), ("angry", "anger")]
)
def test_parse_emotion__aliases_of_the_field(text: str, name: str) -> None:
    assert parse_emotion(text) == name


@pytest.mark.parametrize("text", ["science fiction", "Sci-Fi", "science_fiction"])
def test_parse_style__spellings(text: str) -> None:
    assert parse_style(text) == "science_fiction"


def test_parse_emotion__unknown_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'sadness'"):
        parse_emotion("sadnes")
