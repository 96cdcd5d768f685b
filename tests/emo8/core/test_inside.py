"""A name from outside means a plain file inside the data's folder, or nothing."""

from __future__ import annotations

import os
import subprocess
import unicodedata
from pathlib import Path

import pytest

from emo8.core import inside
from emo8.core.inside import (
    OutsideError,
    cell_bytes,
    check_own_files,
    files_below,
    find,
    find_plain,
    plain_files,
    read,
    read_plain,
)
from emo8.dataset import find_data


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"a")
    (folder / "sub" / "b.jpg").write_bytes(b"b")
    (tmp_path / "mine.jpg").write_bytes(b"mine")
    (tmp_path / "data-of-another").mkdir()
    (tmp_path / "data-of-another" / "c.jpg").write_bytes(b"c")
    return folder


@pytest.mark.parametrize("name", ["a.jpg", "./a.jpg", "sub/../a.jpg"])
def test_find__spellings_of_one_file(root: Path, name: str) -> None:
    assert read(name, root) == b"a"


def test_find__other_machines_spellings(root: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "café.jpg")
    (root / decomposed).write_bytes(b"c")
    assert read(unicodedata.normalize("NFC", "café.jpg"), root) == b"c"
    assert read("sub\\b.jpg", root) == b"b"
    assert read(".\\sub\\b.jpg", root) == b"b"


@pytest.mark.parametrize(
    "name",
    [
        "../mine.jpg",
        "sub/../../mine.jpg",
        "..\\mine.jpg",
        "../data-of-another/c.jpg",
        "a\0b",
        "/etc/passwd",
    ],
)
def test_find__what_leads_out_is_refused(root: Path, name: str) -> None:
    with pytest.raises(OutsideError):
        find(name, root)
    assert read(name, root) is None
    assert cell_bytes({"bytes": None, "path": name}, root) is None


def test_find__links_are_followed_before_they_are_judged(root: Path) -> None:
    (root / "out.jpg").symlink_to(root.parent / "mine.jpg")
    (root / "in.jpg").symlink_to("sub/b.jpg")
    with pytest.raises(OutsideError):
        find("out.jpg", root)
    assert read("in.jpg", root) == b"b"


def test_find__a_link_to_itself_is_no_picture(root: Path) -> None:
    (root / "loop.jpg").symlink_to("loop.jpg")
    assert read("loop.jpg", root) is None


def test_read_plain__a_pipe_and_a_device_answer_at_once(root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    for path in (root / "pipe.jpg", Path("/dev/null"), root / "sub"):
        with pytest.raises((OutsideError, OSError)):
            read_plain(path)
    assert read("pipe.jpg", root) is None


def test_find_plain__a_pipe_is_never_opened(root: Path) -> None:
    os.mkfifo(root / "pipe.arrow")
    assert find_plain("a.jpg", root) == root / "a.jpg"
    with pytest.raises(OutsideError):
        find_plain("pipe.arrow", root)
    assert plain_files(root, "*") == [root / "a.jpg"]


@pytest.mark.parametrize(
    "name",
    ["../mine.jpg", "/etc/passwd", "http://127.0.0.1/a.jpg", "zip://x::/etc/passwd", "b.jpg"],
)
def test_check_own_files__what_is_not_the_folders_own_is_refused(root: Path, name: str) -> None:
    check_own_files(str(root), [str(root / "a.jpg"), f"zip://x::{root / 'a.jpg'}"])
    with pytest.raises((OutsideError, FileNotFoundError)):
        check_own_files(str(root), [str(root / "a.jpg"), name])


@pytest.mark.parametrize("name", ["/etc/passwd", "hf://datasets/user/other@main/a", "../a"])
def test_check_own_files__a_hub_dataset_names_its_own_repository(name: str) -> None:
    check_own_files("user/name", ["hf://datasets/user/name@0123abc/data/a.parquet"])
    with pytest.raises(OutsideError):
        check_own_files("user/name", [name])


def test_files_below__however_deep(tmp_path: Path) -> None:
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1_200):  # deeper than Python recurses
        os.mkdir("d", dir_fd=place)
        below = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(os.open("deep.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=place))
    os.close(place)
    (tmp_path / "away").symlink_to(tmp_path)
    assert [path.name for path in files_below(tmp_path)] == ["deep.jpg"]
    assert find_data.find(str(tmp_path)).splits == {"all": "all"}
    subprocess.run(["rm", "-r", str(tmp_path / "d")], check=True)  # shutil recurses


def test_cell_bytes__every_form_of_an_image_cell(root: Path) -> None:
    for cell in (b"a", {"bytes": b"a", "path": None}, {"bytes": None, "path": "a.jpg"}, "a.jpg",
                 [b"a"], [{"bytes": b"a"}], {"path": str(root / "a.jpg")}):  # fmt: skip
        assert cell_bytes(cell, root) == b"a", cell
    for cell in (None, b"", "", {}, [], [b"a", b"b"], 7, 7.5, [1, 2], {"bytes": None}):
        assert cell_bytes(cell, root) is None, cell
    assert cell_bytes({"path": str(root / "a.jpg")}) is None  # nowhere to look


def test_roots_of__a_name_on_the_hub_has_no_folder_of_the_readers(tmp_path: Path) -> None:
    assert inside.roots_of("user/name") == ()
    assert inside.roots_of("user/name", "parquet") == ()
    assert inside.roots_of(str(tmp_path), "parquet") == (tmp_path,)
    found = inside.roots_of("user/name", "imagefolder")
    assert "datasets--user--name" in str(found[0])
