import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.core.images import decode
from emo8.core.settings import DecideConfig
from emo8.core.taxonomy import STYLES
from emo8.duplicates import find
from emo8.duplicates.pairs import Pairs
from emo8.duplicates.views import Views
from emo8.engine.database import opened
from emo8.engine.files import write_part
from emo8.engine.local import LocalEngine
from emo8.engine.steps import part_path
from emo8.labels.clip.recorded import Model
from emo8.measure.filters.base import perceptual_hash, prepare
from emo8.measure.filters.copies import DuplicateViews
from tests.conftest import encoded, picture

MODEL = Model(
    name="embedded",
    weights_sha256="0",
    activation="gelu",
    dim=4,
    logit_scale=1.0,
    logit_bias=None,
    context_length=8,
    precision="fp32",
)


def add_part(
    build: Path, part: int, seeds: list[int], quality: int, broken: tuple[int, ...] = ()
) -> None:
    """Views and embeddings of one part of a build; `broken` seeds have no picture."""
    records = []
    for seed in seeds:
        content = encoded(picture(seed, (160, 120)), "JPEG", quality=quality)
        shared = prepare(content, decode(content))
        records.append(
            {
                "phash": perceptual_hash(shared.grey),
                "width": 160,
                "pixel_sha256": None if seed in broken else f"{seed}-{quality}",
                **DuplicateViews().measure(shared),
            }
        )
    schema = pa.schema(
        {
            "phash": pa.uint64(),
            "width": pa.int32(),
            "pixel_sha256": pa.string(),
            **DuplicateViews.columns,
        }
    )
    write_part(pa.Table.from_pylist(records, schema), part_path(build, "measure", part), "")
    vectors = np.eye(4, dtype=np.float16)[[seed % 4 for seed in seeds]]
    embedding = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 4)
    write_part(pa.table({"embedding": embedding}), part_path(build, MODEL.table, part), "")


def searched(build: Path, inputs: str, config: DecideConfig | None = None) -> pd.DataFrame:
    config = config or DecideConfig()
    parts = sorted(
        int(path.stem.removeprefix("part-")) for path in build.glob("columns/measure/part-*")
    )
    with LocalEngine(workers=1) as engine:
        pairs = Pairs(
            build=build,
            parts=parts,
            model=MODEL,
            config=config,
            engine=engine,
            inputs=inputs,
        )
        with opened(build, 1 << 30) as db:
            pairs.compare(db)
            return db.frame(pairs.possible())


@pytest.fixture
def build(tmp_path: Path) -> Path:
    (tmp_path / "tables").mkdir()
    return tmp_path


def test_pairs__unchanged_parts_are_not_searched_again(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_part(build, 0, [1, 2, 3], 95)
    add_part(build, 1, [1, 2], 40)
    first = searched(build, "a")
    copies = first[first["residual"] < 6]
    assert copies[["left", "right"]].to_numpy().tolist() == [[0, 3], [1, 4]]
    monkeypatch.setattr("emo8.duplicates.pairs.prepare", None)
    again = searched(build, "a")
    pd.testing.assert_frame_equal(again, first)
    with pytest.raises(TypeError):  # other parts: searched again
        searched(build, "b")


def test_pairs__a_build_that_grew_compares_only_what_is_new(
    build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_part(build, 1, [1, 2, 3, 4], 95)
    searched(build, "a")
    add_part(build, 0, [2, 5], 40)
    compared = []

    def spy(views: Views, pairs: np.ndarray, min_crop_sim: float) -> pd.DataFrame:
        compared.extend(pairs.tolist())
        return find.measured(views, pairs, min_crop_sim)

    monkeypatch.setattr("emo8.duplicates.compare.measured", spy)
    grown = searched(build, "b")
    assert [0, 3] in compared and all(left < 2 for left, _ in compared)
    (build / "tables" / "compared.parquet").unlink()
    pd.testing.assert_frame_equal(grown, searched(build, "b"))


def test_pairs__equal_pixels_are_one_picture_and_rows_without_picture_are_none(
    build: Path,
) -> None:
    add_part(build, 0, [1, 2], 95)
    add_part(build, 1, [1], 95)
    add_part(build, 2, [1], 40)
    assert searched(build, "a")[["left", "right"]].to_numpy().tolist() == [[0, 3]]
    add_part(build, 0, [1, 2], 95, broken=(2,))
    assert searched(build, "b")[["left", "right"]].to_numpy().tolist() == [[0, 3]]


def test_pairs__what_no_threshold_lets_through_is_kept_on_disk_and_not_read(build: Path) -> None:
    add_part(build, 0, [1, 2, 3], 95)
    add_part(build, 1, [1, 2], 40)
    searched(build, "a")
    stored = pq.read_table(build / "tables" / "compared.parquet").to_pandas()
    nearest, other = np.sort(stored[["residual", "crop_residual"]].min(axis=1))
    most = float(nearest + other) / 2 / find.POSSIBLE
    strict = DecideConfig(max_near_residual=most, max_crop_residual=most)
    strict = dataclasses.replace(strict, style={s: _thresholds(most) for s in STYLES})
    told = searched(build, "a", strict)
    assert len(told) == 1
    limits = find.limits_of([None] * 5, strict)
    everything = find.judged(stored[told.columns], limits)
    pd.testing.assert_frame_equal(find.judged(told, limits), everything)


def _thresholds(most: float) -> dict[str, float]:
    return {"max_near_residual": most, "max_crop_residual": most}
