from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.adapters import registry
from benchmarks.adapters.base import emotion_names
from emo8.core.errors import SourceError
from tests.benchmarks.conftest import face_rows, write

# A part of EmoSet's own order: positives first.
EMOSET_ORDER = [
    "amusement",
    "awe",
    "contentment",
    "excitement",
    "anger",
    "disgust",
    "fear",
    "sadness",
]


def as_dataset(rows, order=None) -> datasets.Dataset:
    data = datasets.Dataset.from_list(
        [{**row, "image": {"bytes": row["image"], "path": None}} for row in rows]
    ).cast_column("image", datasets.Image())
    return data.cast_column("emotion", datasets.ClassLabel(names=order)) if order else data


def save_folder(rows, folder: Path, order=None, split="train") -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    as_dataset(rows, order).to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def save_tree(rows, root: Path, split: str = "") -> Path:
    for i, row in enumerate(rows):
        file = root / split / row["emotion"] / "deep" / f"{i:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(row["image"])
    return root


def test_label_order__emosets_numbers_give_the_same_accuracy(measure, tmp_path):
    rows = face_rows()
    (plain,) = measure(write(rows, tmp_path / "names.parquet"))
    (numbers,) = measure(save_folder(rows, tmp_path / "emoset", EMOSET_ORDER))
    (single,) = measure(tmp_path / "emoset" / "data" / "train-00000-of-00001.parquet")
    for found in (numbers, single):
        assert found["metrics"] == plain["metrics"]
        assert found["emotions"] == plain["emotions"] == ["anger", "awe", "fear", "sadness"]
        assert found["recall"] == plain["recall"]


def test_label_order__splits_that_disagree_are_refused(tmp_path):
    rows = face_rows(6)
    both = datasets.DatasetDict(
        train=as_dataset(rows, EMOSET_ORDER), test=as_dataset(rows, sorted(EMOSET_ORDER))
    )
    both.save_to_disk(str(tmp_path / "d"))
    with pytest.raises(SourceError, match=r"number the emotions .* differently"):
        registry.read(str(tmp_path / "d"))


def test_numbers_without_names__are_refused(tmp_path):
    rows = [row | {"emotion": 3} for row in face_rows(2)]
    with pytest.raises(SourceError, match="a number without names"):
        registry.read(str(write(rows, tmp_path / "f.parquet")))


def test_dataset_folder__knows_splits_and_columns(tmp_path):
    save_folder(face_rows(8), tmp_path / "d")
    save_folder(face_rows(6, seed=5), tmp_path / "d", split="test")
    save_folder(face_rows(2, seed=6), tmp_path / "d", split="validation")
    rows = registry.read(str(tmp_path / "d"))
    assert {name: rows.split.count(name) for name in ("train", "val", "test")} == {
        "train": 32, "val": 8, "test": 24,
    }  # fmt: skip
    assert {"vendor", "codepoint", "emotion"} <= set(rows.column_names)
    assert set(rows.column("emotion")) == set(rows.emotion)
    first = rows.split.index("test")
    assert rows.images([first]) == [face_rows(6, seed=5)[0]["image"]]


def test_dataset_folder__own_split_is_measured(measure, tmp_path):
    save_folder(face_rows(12), tmp_path / "d", EMOSET_ORDER)
    save_folder(face_rows(6, seed=5), tmp_path / "d", EMOSET_ORDER, split="test")
    (result,) = measure(tmp_path / "d")
    assert (result["split"], result["n"], result["n_train"]) == ("own", 24, 48)


def test_dataset_folder__without_test_says_what_there_is_and_what_to_do(measure, tmp_path):
    save_folder(face_rows(6), tmp_path / "d")
    with pytest.raises(SourceError, match=r"no counted rows in test \(found: train 24\)\. Use --f"):
        measure(tmp_path / "d", folds=0)
    (result,) = measure(tmp_path / "d")
    assert "own split not used: no counted rows in test (found: train 24)" in result["notes"]


def test_built_dataset__only_labels_of_sources_count(small, measure):
    results = measure(small / "BUILD" / "dataset", folds=2)
    rows = registry.read(str(small / "BUILD" / "dataset"))
    assert results[0]["dataset"] == "BUILD/dataset"
    assert results[0]["left_out"]["emotion_rule clip"] == rows.rule.count("clip")


def test_parquet__missing_column_names_file_columns_and_option(tmp_path):
    rows = [{"picture": row["image"], "emotion": row["emotion"]} for row in face_rows(2)]
    path = write(rows, tmp_path / "f.parquet")
    with pytest.raises(SourceError, match=r"f\.parquet has no column 'image'. Found: picture, em"):
        registry.read(str(path))
    assert len(registry.read(str(path), image="picture")) == 8


def test_parquet__damaged_file_is_named(tmp_path):
    (tmp_path / "f.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(SourceError, match=r"f\.parquet cannot be read as parquet"):
        registry.read(str(tmp_path / "f.parquet"))


def test_parquet__row_groups_are_found(tmp_path):
    rows = face_rows(4)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "f.parquet", row_group_size=3)
    read = registry.read(str(tmp_path / "f.parquet"))
    order = np.random.default_rng(0).permutation(16).tolist()
    assert read.images(order) == [rows[i]["image"] for i in order]


@pytest.mark.parametrize("splits", [("",), ("train", "val", "test")])
def test_tree__folders_are_emotions(tmp_path, splits):
    for number, split in enumerate(splits):
        save_tree(face_rows(2, seed=number), tmp_path / "t", split)
    (tmp_path / "t" / ".hidden").mkdir()
    (tmp_path / "t" / "README.txt").write_text("hello")
    rows = registry.read(str(tmp_path / "t"))
    assert len(rows) == 8 * len(splits)
    assert set(rows.emotion) == {"anger", "awe", "fear", "sadness"}
    assert set(rows.split) == {split or None for split in splits}
    assert rows.images([0])[0] is not None


def test_tree__without_emotions_says_what_was_found(tmp_path):
    (tmp_path / "t" / "images").mkdir(parents=True)
    with pytest.raises(SourceError, match="holds no pictures and no parquet files"):
        registry.read(str(tmp_path / "t"))


def test_emotion_names__one_spelling_and_a_note():
    names, notes = emotion_names(["Sad", "sadness", "Happy", None, "AWE"])
    assert names == ["sadness", "sadness", "happy", None, "awe"]
    assert notes == ("labels 'Sad', 'sadness' were read as one emotion, 'sadness'",)


def test_emotion_faces__knows_design_families(corpus):
    rows = registry.read("emotion_faces", corpus / "emotion_faces.parquet")
    assert len(rows) == 839
    assert len(set(rows.column("vendor"))) == 10
    assert len(set(rows.column("family"))) == 7


def test_images__a_path_is_read_only_inside_the_datasets_own_folder(tmp_path: Path) -> None:
    rows = face_rows()[:3]
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "own.png").write_bytes(rows[0]["image"])
    (tmp_path / "private.png").write_bytes(rows[1]["image"])
    features = datasets.Features({"image": datasets.Image(), "emotion": datasets.Value("string")})
    cells = ["own.png", str(tmp_path / "private.png"), "../private.png"]
    lines = [{"image": {"bytes": None, "path": path}, "emotion": "awe"} for path in cells]
    pq.write_table(pa.Table.from_pylist(lines, schema=features.arrow_schema), folder / "t.parquet")
    for data in (folder / "t.parquet", folder):
        found = registry.read(str(data))
        assert [image is None for image in found.images([0, 1, 2])] == [False, True, True]
