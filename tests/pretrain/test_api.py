"""Pretrained encoders from Python."""

from pathlib import Path

import numpy as np
import pytest

import pretrain
from tests.conftest import encoded, picture


def test_features__files_arrays_and_pil_agree(trained: Path, tmp_path: Path) -> None:
    model = pretrain.load(trained)
    (tmp_path / "a.png").write_bytes(encoded(picture(3), "PNG"))
    found = model.features([tmp_path / "a.png", np.asarray(picture(3)), picture(3)])
    assert found.shape == (3, model.dim) and np.isfinite(found).all()
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    np.testing.assert_allclose(found[0], found[2], atol=1e-5)


def test_load__says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no checkpoint there"):
        pretrain.load(tmp_path)
