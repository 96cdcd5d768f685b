"""The reader of DATA: every form, with every spelling, gives the same rows to every program."""

import os
import shutil
from pathlib import Path
from typing import Any

import datasets
import pytest

from benchmarks.adapters import registry
from emo8.core.errors import SourceError
from emo8.core.settings import SourceConfig
from emo8.core.taxonomy import EMOTIONS
from emo8.dataset.labelled_pictures import read_labelled
from emo8.dataset.open import choose_split, find, open_split, read
from emo8.sources.kinds.hub import plan
from pretrain.data.dataset import open_dataset
from tests.conftest import encoded, picture

LABELS = ("awe", "fear")
ROWS = [(split, label) for split in ("train", "val", "test") for label in LABELS]
FORMS = ("tree", "folder", "file", "saved", "build", "registered")


def content(row: tuple[str, str]) -> bytes:
    return encoded(picture(900 + ROWS.index(row)))


def tree(root: Path, *, val: str = "val") -> Path:
    """A folder per emotion below a folder per split."""
    for split, label in ROWS:
        folder = root / (val if split == "val" else split) / label
        folder.mkdir(parents=True)
        (folder / "1.jpg").write_bytes(content((split, label)))
    return root


def rows_of(split: str, column: str) -> datasets.Dataset:
    """The rows of one split with their label in a column of that name, as class numbers."""
    rows = [row for row in ROWS if row[0] == split]
    features = datasets.Features(
        {"image": datasets.Image(), column: datasets.ClassLabel(names=list(reversed(LABELS)))}
    )
    images = [{"bytes": content(row), "path": None} for row in rows]
    return datasets.Dataset.from_dict(
        {"image": images, column: [label for _, label in rows]}, features=features
    )


def make(form: str, root: Path) -> str:
    """DATA of that form, with the splits and labels of ROWS."""
    if form == "tree":
        return str(tree(root / "tree", val="validation"))
    if form == "registered":
        return f"emo8:{tree(root / 'released')}"
    if form == "saved":
        made = {split: rows_of(split, "label") for split in ("train", "validation", "test")}
        made["validation"] = rows_of("val", "label")
        datasets.DatasetDict(made).save_to_disk(str(root / "saved"))
        return str(root / "saved")
    if form == "file":
        parts = [rows_of(split, "label").add_column("split", [split] * 2) for split, _ in ROWS[::2]]
        datasets.concatenate_datasets(parts).to_parquet(str(root / "rows.parquet"))
        return str(root / "rows.parquet")
    folder = root / "BUILD" / "dataset" if form == "build" else root / "folder"
    (folder / "data").mkdir(parents=True)
    for split in ("train", "val", "test"):
        name = "validation" if split == "val" else split
        rows_of(split, "emotion").to_parquet(str(folder / "data" / f"{name}-00000.parquet"))
    if form == "build":
        (root / "BUILD" / "resolved.json").write_text("{}")
        return str(root / "BUILD")
    return str(folder)


@pytest.mark.parametrize("form", FORMS)
def test_every_form__is_read_alike_by_every_program(form: str, tmp_path: Path) -> None:
    data = make(form, tmp_path)
    expected = sorted((split, label, content((split, label))) for split, label in ROWS)

    streamed = [(row.split, row.label, row.data) for row in read(data)]  # leaks, browse
    assert sorted(streamed) == expected

    _, emotions = read_labelled(data)  # prompts score
    assert sorted(EMOTIONS[k] for k in emotions) == sorted(label for _, label in ROWS)

    rows = registry.read(data)  # emo8-bench
    measured = zip(rows.split, rows.emotion, rows.images(range(len(rows))))
    assert sorted(measured) == expected
    assert set(rows.rule) == {"source"}

    for name in ("val", "validation", "dev"):  # uniemox
        assert len(open_dataset(data, name)) == len(LABELS)
    assert len(open_dataset(data, "train+val")) == 2 * len(LABELS)


@pytest.mark.parametrize("form", FORMS)
def test_every_form__refuses_a_split_that_it_has_not(form: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no split 'minival'"):
        open_dataset(make(form, tmp_path), "minival")


def test_folder__without_names_of_splits_counts_as_train(tmp_path: Path) -> None:
    rows_of("train", "emotion").to_parquet(str(tmp_path / "a.parquet"))
    rows_of("val", "emotion").to_parquet(str(tmp_path / "b.parquet"))
    found = find(str(tmp_path))
    assert list(found.splits) == ["all"] and choose_split(found, "train") == "all"
    assert len(open_split(found, "all")) == len(open_dataset(str(tmp_path), None)) == 4
    assert registry.read(str(tmp_path)).split == [None] * 4


def test_labels__of_numbers_without_names_are_refused(tmp_path: Path) -> None:
    rows = rows_of("train", "emotion").cast_column("emotion", datasets.Value("int64"))
    rows.to_parquet(str(tmp_path / "rows.parquet"))
    with pytest.raises(SourceError, match="write names, or a ClassLabel"):
        read_labelled(str(tmp_path / "rows.parquet"))
    with pytest.raises(SourceError, match="a number without names"):
        registry.read(str(tmp_path / "rows.parquet"))


def test_folder__of_pictures_without_a_label_is_no_class(tmp_path: Path) -> None:
    """As FiftyOne exports a folder per class."""
    for folder, row in zip(("awe", "_unlabeled"), ROWS):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(content(row))
    assert {row.id: row.label for row in read(str(tmp_path))} == {
        "awe/1.png": "awe",
        "_unlabeled/1.png": None,
    }


def test_pictures__are_found_by_type_under_any_name(tmp_path: Path) -> None:
    rows_of("train", "emotion").rename_column("image", "photo").to_parquet(
        str(tmp_path / "rows.parquet")
    )
    assert [row.data for row in read(str(tmp_path / "rows.parquet"))] == [
        content(row) for row in ROWS[:2]
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", ["nowhere", "no such file or folder"]),
        ("emosett:there", ["'emoset'"]),
        ("list.csv", ["only .parquet"]),
        ("empty", ["no pictures and no parquet files"]),
    ],
)
def test_find__mistakes_say_what_can_be_read(name: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("a")
    (tmp_path / "empty").mkdir()
    path = tmp_path / name
    with pytest.raises(SourceError) as caught:
        find(str(path) if path.exists() else name)
    assert all(word in str(caught.value) for word in words)


def test_saved__with_a_broken_list_of_splits_is_named(tmp_path: Path) -> None:
    data = Path(make("saved", tmp_path))
    (data / "dataset_dict.json").write_text("[]")
    with pytest.raises(SourceError, match="no folder of save_to_disk"):
        find(str(data))
    shutil.rmtree(data / "train")


def test_find__offline_an_unknown_hub_id_is_not_asked_for_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import constants

    for place in (constants, datasets.config):
        monkeypatch.setattr(place, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("emo8.core.networks.getproxies", dict)
    seen = []

    def builder(*_: Any, **__: Any) -> None:
        seen.append((constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE))
        raise ConnectionError("offline")

    monkeypatch.setattr(datasets, "load_dataset_builder", builder)
    with pytest.raises(SourceError, match=r"user/nosuch: .*the Hub cannot be reached from here"):
        find("user/nosuch")
    assert seen == [(True, True)]
    assert not constants.HF_HUB_OFFLINE and not datasets.config.HF_HUB_OFFLINE


@pytest.mark.parametrize("place", ["../mine/data.parquet", "{root}/mine/data.parquet"])
def test_find__a_card_that_names_files_of_the_readers_is_refused(
    place: str, tmp_path: Path
) -> None:
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
        rows_of("train", "label").to_parquet(str(tmp_path / name / "data.parquet"))
    files = place.format(root=tmp_path)
    card = f"---\nconfigs:\n- config_name: default\n  data_files: {files}\n---\n"
    (tmp_path / "theirs" / "README.md").write_text(card)
    with pytest.raises(SourceError, match=r"not its own.*mine/data\.parquet"):
        find(str(tmp_path / "theirs"))
    with pytest.raises(SourceError, match="not its own"):
        list(plan(SourceConfig(kind="hub", path="theirs", name="t"), tmp_path, 256))


@pytest.mark.parametrize("how", ["file outside", "split outside", "pipe"])
def test_find__a_saved_dataset_that_names_files_of_the_readers_is_refused(
    how: str, tmp_path: Path
) -> None:
    for name in ("mine", "theirs"):
        made = datasets.DatasetDict({"train": rows_of("train", "label")})
        made.save_to_disk(str(tmp_path / name))
    theirs = tmp_path / "theirs"
    state = theirs / "train" / "state.json"
    (arrow,) = (theirs / "train").glob("*.arrow")
    if how == "file outside":
        inside, outside = arrow.name, f"../../mine/train/{arrow.name}"
        state.write_text(state.read_text().replace(inside, outside))
    elif how == "split outside":
        (theirs / "dataset_dict.json").write_text('{"splits": ["../mine/train"]}')
    else:
        arrow.unlink()
        os.mkfifo(arrow)
    with pytest.raises(SourceError, match="not its own, or no plain file"):
        find(str(theirs))
