"""The App's colours can be read: white letters on them, dots of them on its dark map."""

import itertools

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000

from emo8.browse.app_style import EMOTION_COLORS, MAP, STYLE_COLORS, TEXT
from emo8.core.taxonomy import EMOTIONS, STYLES
from tests.emo8.core.test_taxonomy import SEEN_AS, lab

ALL = {**EMOTION_COLORS, **STYLE_COLORS}


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2, 1 to 21."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    rgb = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_contrast__is_that_of_the_standard() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#FFFFFF", "#777777") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", ALL)
def test_colors__letters_and_dots_can_be_seen(name: str) -> None:
    assert contrast(ALL[name], TEXT) >= 4.5
    assert contrast(ALL[name], MAP) >= 3


@pytest.mark.parametrize(
    ("eyes", "least"), [(eyes, 19 if eyes == "normal" else 7) for eyes in SEEN_AS]
)
@pytest.mark.parametrize(("colors", "names"), [(EMOTION_COLORS, EMOTIONS), (STYLE_COLORS, STYLES)])
def test_colors__differ(
    eyes: str, least: float, colors: dict[str, str], names: tuple[str, ...]
) -> None:
    assert tuple(colors) == names
    seen = [lab(color, eyes) for color in colors.values()]
    pairs = itertools.combinations(seen, 2)
    assert min(float(deltaE_ciede2000(a, b)) for a, b in pairs) >= (19 if eyes == "normal" else 7)
