"""Reading published datasets, single parquet files, and what is wrong with them."""

from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from pretrain.config import recipes
from pretrain.config.settings import DataConfig, ViewConfig
from pretrain.data import dataset
from tests.conftest import encoded, picture
from tests.pretrain.conftest import CARD, SPLITS


def test_texts__first_column_that_says_something(dataset_dir: Path) -> None:
    rows = dataset.open_dataset(str(dataset_dir), "train")
    texts = dataset.row_texts(rows, DataConfig())
    assert texts[:2] == ["blobs 0", "A picture of blobs number 1."]


def test_texts__emotion_is_added_when_asked(dataset_dir: Path) -> None:
    rows = dataset.open_dataset(str(dataset_dir), "train")
    texts = dataset.row_texts(rows, DataConfig(text_with_emotion=True))
    assert texts[1] == "A picture of blobs number 1. It evokes anger."


def test_texts__no_text_column_names_those_there(dataset_dir: Path) -> None:
    rows = dataset.open_dataset(str(dataset_dir), "train").select_columns(["id", "image"])
    with pytest.raises(ValueError, match=r"description, caption.*among id, image"):
        dataset.row_texts(rows, DataConfig())


def test_open_dataset__both_names_of_the_validation_split(dataset_dir: Path) -> None:
    for name in ("val", "validation"):
        assert len(dataset.open_dataset(str(dataset_dir), name)) == SPLITS["val"]


def test_open_dataset__unknown_split_names_the_known(dataset_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"no split 'minival'; it has train, val, test"):
        dataset.open_dataset(str(dataset_dir), "minival")


def test_open_dataset__missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        dataset.open_dataset(str(tmp_path / "nowhere"), "train")


def test_open_dataset__sees_a_folder_that_was_built_anew(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text(CARD)
    for count in (2, 3):
        for split in SPLITS:
            rows = [{"image": encoded(picture(k)), "caption": str(k)} for k in range(count)]
            pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / f"{split}-0.parquet")
        assert len(dataset.open_dataset(str(tmp_path), "train")) == count


def test_parquet_file__ids_are_the_hash_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    rows = [{"image": encoded(picture(k)), "caption": str(k)} for k in range(2)]
    pq.write_table(pa.Table.from_pylist(rows), path)
    source = dataset.DatasetSource(
        dataset.open_dataset(str(path), None), DataConfig(), recipes.cpu_smoke().views
    )
    assert all(len(row_id) == 64 for row_id in source.ids)
    assert source.pixels(0).scene.shape == (120, 160, 3)


def test_parquet_file__without_images_names_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"picture": [b"x"]}), tmp_path / "rows.parquet")
    with pytest.raises(
        ValueError, match="no column 'image' and no other image column; found: picture"
    ):
        dataset.open_dataset(str(tmp_path / "rows.parquet"), None)


def test_decode__lays_transparent_parts_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert torch.equal(
        dataset.decode(encoded(clear, "PNG")), torch.full((4, 4, 3), 255, dtype=torch.uint8)
    )


def test_decode__turns_the_picture_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(picture(1, (40, 20)), "JPEG", exif=exif.tobytes())
    assert dataset.decode(turned).shape == (40, 20, 3)


@pytest.mark.parametrize("content", [None, b"", b"not a picture", b"\xff\xd8\xff broken"])
def test_decode__anything_else_is_unreadable(content: bytes | None) -> None:
    with pytest.raises(dataset.UnreadableImageError):
        dataset.decode(content)


def test_decode__truncated_picture_is_unreadable() -> None:
    with pytest.raises(dataset.UnreadableImageError):
        dataset.decode(encoded(picture(1, (200, 200)))[:900])


def test_fingerprint__changes_with_a_text(dataset_dir: Path) -> None:
    views = recipes.cpu_smoke().views
    rows = dataset.open_dataset(str(dataset_dir), "train")
    prints = {
        dataset.fingerprint(dataset.DatasetSource(rows, DataConfig(text_columns=columns), views))
        for columns in (("caption",), ("description", "caption"))
    }
    assert len(prints) == 2
    assert isinstance(rows, datasets.Dataset)


def test_images__a_path_is_read_only_inside_the_datasets_own_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "own.png").write_bytes(encoded(picture(1), "PNG"))
    (tmp_path / "private.png").write_bytes(encoded(picture(2), "PNG"))
    paths = ["images/own.png", str(tmp_path / "private.png"), "../private.png"]
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
    rows = [{"image": {"bytes": None, "path": path}, "caption": path} for path in paths]
    table = pa.Table.from_pylist(rows, schema=features.arrow_schema)
    pq.write_table(table, folder / "train-0.parquet")
    for data in (str(folder), str(folder / "train-0.parquet")):
        found = dataset.open_dataset(data, "train")
        source = dataset.DatasetSource(
            found, DataConfig(), ViewConfig(), dataset.roots(data, found)
        )
        assert source.pixels(0).scene.shape[2] == 3
        for row in (1, 2):
            with pytest.raises(dataset.UnreadableImageError):
                source.pixels(row)


def test_row_labels__minus_one_is_no_label(tmp_path: Path) -> None:
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "emotion": datasets.ClassLabel(names=["fear", "awe"]),
            "caption": datasets.Value("string"),
        }
    )
    image = {"bytes": encoded(picture(1)), "path": None}
    rows = {"image": [image] * 4, "emotion": [0, -1, None, 1], "caption": list("abcd")}
    path = tmp_path / "d.parquet"
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(path))
    found = dataset.open_dataset(str(path), None)
    assert dataset.row_labels(found)["emotion"] == ["fear", None, None, "awe"]
    texts = dataset.row_texts(found, DataConfig(text_with_emotion=True))
    assert texts[1] == "b"


@pytest.mark.parametrize("asked", ["val", "validation", "Dev", "valid"])
def test_choose_split__knows_the_spellings_of_a_split(asked: str) -> None:
    assert dataset.choose_split("views", asked, ("train", "validation")) == "validation"
    assert dataset.choose_split("views", asked, ("train", "val")) == "val"
    assert dataset.choose_split("views", asked, ("train", asked)) == asked
