import numpy as np
import pytest

from emo8.duplicates.align import cut, window
from emo8.measure.filters.copies import thumbnail
from tests.conftest import picture


def grey(seed: int) -> np.ndarray:
    return np.asarray(picture(seed, (320, 320)).convert("L"))


@pytest.mark.parametrize("seed", range(4))
def test_window__finds_what_a_light_crop_shows(seed: int) -> None:
    whole = grey(seed)
    warp = window(thumbnail(whole), thumbnail(whole[16:304, 10:302]))
    assert warp is not None
    assert warp[0, 0] == pytest.approx(292 / 320, abs=0.02)
    assert warp[1, 1] == pytest.approx(288 / 320, abs=0.02)
    shown = cut(thumbnail(whole), warp).astype(float)
    assert np.abs(shown - thumbnail(whole[16:304, 10:302])).mean() < 4


def test_window__another_picture_or_a_blank_one_fits_nowhere() -> None:
    assert window(thumbnail(grey(0)), thumbnail(grey(1))) is None
    blank = np.full((64, 64), 7, np.uint8)
    assert window(blank, blank) is None
    assert window(thumbnail(grey(0)), blank) is None


def test_window__half_a_picture_is_no_light_crop() -> None:
    whole = grey(2)
    assert window(thumbnail(whole), thumbnail(whole[:, :220])) is None
