"""The sheet of `uniemox show`: what stands above its columns."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pretrain.show.rows import COLUMNS, HEADER_PX, contact_sheet


@pytest.mark.parametrize("side", [16, 64])
def test_contact_sheet__names_every_column(side: int) -> None:
    cells = [np.zeros((side, side, 3), np.uint8)] * len(COLUMNS)
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheet([cells, cells], scale=2, gap_px=6))))
    assert sheet.shape == (HEADER_PX + 2 * (6 + 2 * side), 6 * 2 * side + 5 * 6, 3)
    for column in range(len(COLUMNS)):
        left = column * (2 * side + 6)
        assert sheet[:HEADER_PX, left : left + 2 * side].min() < 128, "no name above it"
        assert sheet[HEADER_PX + 6 :, left].max() == 255  # the gap between the lines
    with pytest.raises(ValueError, match="longer"):
        contact_sheet([cells], ("scene",))
