from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emo8.core.errors import BuildError
from emo8.duplicates.compare import PAIRS_FILE, compare_all
from emo8.duplicates.find import measured
from emo8.duplicates.views import Views, empty_views, layout_vector, open_views
from emo8.engine.local import LocalEngine

NUM_ROWS = 12


@pytest.fixture
def views(tmp_path: Path) -> Views:
    """Six random pictures and a slightly changed one of each, as files."""
    rng = np.random.default_rng(0)
    made = empty_views(NUM_ROWS, 8, tmp_path)
    for row in range(NUM_ROWS):
        coarse = np.random.default_rng(row // 2).integers(0, 256, (8, 8))
        noise = rng.integers(0, 4 + row % 2, (64, 64))
        made.thumbs[row] = np.clip(np.kron(coarse, np.ones((8, 8))) + noise, 0, 255)
        made.layout[row] = layout_vector(made.thumbs[row, 0])
        made.embedding[row] = np.eye(8)[row // 2]
    return made


def test_compare_all__parts_on_workers_tell_what_one_process_tells(
    views: Views, tmp_path: Path
) -> None:
    pairs = np.array([(a, b) for a in range(NUM_ROWS) for b in range(a + 1, NUM_ROWS)])
    np.save(tmp_path / PAIRS_FILE, pairs)
    here = measured(views, pairs, 0.96)
    assert (here["residual"] < 6).sum() == NUM_ROWS // 2
    for array in (views.thumbs, views.layout, views.embedding):
        array.flush()  # type: ignore[attr-defined]
    for workers in (1, 2):
        with LocalEngine(workers=workers) as engine:
            compare_all(views, pairs, 0.96, tmp_path, engine, per_part=20)
        files = [tmp_path / f"compare-{part}.parquet" for part in range(4)]
        there = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
        pd.testing.assert_frame_equal(there, here[there.columns].astype(there.dtypes.to_dict()))


def test_compare_all__a_part_that_fails_is_named(views: Views, tmp_path: Path) -> None:
    (tmp_path / "thumbs.npy").unlink()
    pairs = np.array([(0, 1), (2, 3), (4, 5)])
    np.save(tmp_path / PAIRS_FILE, pairs)
    with LocalEngine(workers=1) as engine, pytest.raises(BuildError, match=r"part \d of 3.*again"):
        compare_all(views, pairs, 0.96, tmp_path, engine, per_part=1)


def test_open_views__are_the_arrays_that_were_written(views: Views, tmp_path: Path) -> None:
    views.thumbs.flush()  # type: ignore[attr-defined]
    again = open_views(tmp_path)
    assert (again.thumbs == views.thumbs).all() and len(again) == NUM_ROWS
