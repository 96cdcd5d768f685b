from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.adapters import parquet
from benchmarks.features import backbones, features
from tests.benchmarks.conftest import face_rows, write


def extract(path: Path, cache: Path, backbone=None):
    rows = parquet.read(path)
    index = list(range(len(rows)))
    keys = features.digests(rows, index)
    return features.extract(backbone or backbones.load("pixels:4"), rows, index, keys, cache)


def test_extract__keeps_the_order_over_batches(faces, tmp_path):
    table = extract(faces, tmp_path / "c")
    rows = parquet.read(faces)
    from emo8.core.images import decode

    last = decode(rows.images([47])[0]).rgb
    assert np.array_equal(table.features[47], backbones.load("pixels:4").features([last])[0])
    assert table.usable.all()


def test_extract__second_time_comes_from_the_cache(faces, tmp_path):
    first = extract(faces, tmp_path / "c")

    def never(pictures):
        raise AssertionError("the model ran again")

    again = extract(faces, tmp_path / "c", replace(backbones.load("pixels:4"), features=never))
    assert np.array_equal(first.features, again.features)


def test_extract__another_model_or_other_pictures_miss_the_cache(faces, tmp_path):
    extract(faces, tmp_path / "c")
    assert extract(faces, tmp_path / "c", backbones.load("pixels:2")).features.shape == (48, 12)
    changed = write(face_rows(seed=1), tmp_path / "other.parquet")
    extract(changed, tmp_path / "c")
    assert len(list((tmp_path / "c").iterdir())) == 3


def test_extract__damaged_cache_is_computed_again(faces, tmp_path, caplog):
    first = extract(faces, tmp_path / "c")
    (file,) = (tmp_path / "c").iterdir()
    file.write_bytes(file.read_bytes()[:50])
    assert np.array_equal(extract(faces, tmp_path / "c").features, first.features)
    assert "unreadable" in caplog.text


def test_extract__cache_that_cannot_be_written_only_warns(faces, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    assert len(extract(faces, tmp_path / "file").features) == 48
    assert "not cached" in caplog.text


def test_extract__missing_file_has_its_reason(tmp_path):
    rows = [row | {"image": f"{i}.png"} for i, row in enumerate(face_rows(3))]
    for i, row in enumerate(face_rows(3)[:-1]):
        (tmp_path / f"{i}.png").write_bytes(row["image"])
    table = extract(write(rows, tmp_path / "f.parquet"), tmp_path / "c")
    assert table.skipped == {"missing_file": 1}
    assert len(table.features) == 11


def test_default_cache__follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv("EMO8_CACHE", str(tmp_path))
    assert features.default_cache() == tmp_path / "features"
