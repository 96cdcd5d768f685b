import hashlib
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from emo8.cli import main
from emo8.core.errors import Emo8Error, GateError
from emo8.dataset import removal
from emo8.pipeline.run import build
from emo8.publish.send import to_folder
from tests.conftest import encoded


@pytest.fixture
def own_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "removals.jsonl"
    monkeypatch.setenv(removal.LIST_VARIABLE, str(path))
    return path


@pytest.fixture
def own(small: Path, tmp_path: Path) -> Path:
    """A copy of the small build and its inputs, to build on."""
    return Path(shutil.copytree(small, tmp_path / "own"))


def left(folder: Path) -> dict[str, str]:
    rows = pq.read_table(folder / "BUILD" / "tables" / "rejected.parquet").to_pylist()
    return {row["source_path"].split("/")[-1]: row["reason"] for row in rows}


def published_ids(folder: Path) -> set[str]:
    shards = (folder / "BUILD" / "dataset" / "data").glob("*/*.parquet")
    return {key for shard in shards for key in pq.read_table(shard)["id"].to_pylist()}


def test_remove__picture_its_copy_and_its_near_copy_leave_every_later_build(
    own: Path, own_list: Path, tmp_path: Path
) -> None:
    cartoon = own / "pictures" / "cartoon"
    published = next(
        row
        for shard in (own / "BUILD" / "dataset" / "data" / "cartoon").glob("*.parquet")
        for row in pq.read_table(shard).to_pylist()
        if row["also_from"]
    )
    # named by the hash of the published file, which differs from the file received
    command = ["remove", published["published_sha256"], "--reason", "asked by its maker"]
    assert main([*command, "--from", str(own / "BUILD")]) == 0
    with pytest.raises(GateError, match="stale_removals"):
        to_folder(own / "BUILD", tmp_path / "DIR")
    build(own / "recipe.toml", own / "BUILD", workers=1)
    reasons = left(own)
    assert reasons["1.jpg"] == reasons["copy.jpg"] == "removed"
    assert published["id"] not in published_ids(own)
    assert to_folder(own / "BUILD", tmp_path / "DIR").sent

    # the original is gone from the inputs; a smaller, recompressed copy turns up elsewhere
    small_copy = Image.open(cartoon / "1.jpg").resize((120, 90))
    (cartoon / "again.jpg").write_bytes(encoded(small_copy, quality=70))
    (cartoon / "1.jpg").unlink()
    (cartoon / "copy.jpg").unlink()
    build(own / "recipe.toml", own / "BUILD", workers=1)
    assert left(own)["again.jpg"] == "removed"


def test_remove__by_id_alone_takes_near_copies_among_the_inputs(own: Path, own_list: Path) -> None:
    data = (own / "pictures" / "cartoon" / "2.jpg").read_bytes()
    assert main(["remove", hashlib.sha256(data).hexdigest(), "--reason", "asked"]) == 0
    result = build(own / "recipe.toml", own / "BUILD", workers=1)
    assert left(own)["2.jpg"] == left(own)["recompressed.jpg"] == "removed"
    assert result.funnel["rejected"]["removed"] == 2  # type: ignore[index]


def test_remove__list_keeps_hashes_and_no_picture(
    small: Path, own_list: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = sorted(published_ids(small))[0]
    for _ in range(2):  # asking twice is one entry
        main(["remove", key, "--reason", "asked", "--from", str(small / "BUILD")])
    (line,) = own_list.read_text().splitlines()
    entry = json.loads(line)
    assert entry["ids"] == [key] and len(entry["pixels"][0]) == 64 and len(entry["phashes"]) == 1
    assert set(entry) == {"key", "reason", "ids", "pixels", "phashes", "urls"}
    assert len(line) < 1000
    assert str(own_list) in capsys.readouterr().out


def test_remove__key_that_no_build_knows_is_kept_and_said(
    small: Path, own_list: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "https://example.org/me.jpg"
    assert main(["remove", url, "--reason", "it is me", "--from", str(small / "BUILD")]) == 1
    assert "no given build has this picture" in capsys.readouterr().err
    matcher = removal.Matcher(removal.load())
    assert matcher.exact([url + "/", "https://example.org/you.jpg"]).tolist() == [True, False]


def test_remove__start_of_an_id_or_a_path_means_the_row_and_says_which(
    small: Path, own_list: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pq.read_table(small / "BUILD" / "tables" / "verdicts.parquet").to_pylist()
    row = next(row for row in rows if row["source_path"] == "cartoon/2.jpg")
    asked = ["--reason", "asked", "--from", str(small / "BUILD")]
    for key in (row["id"][:8], row["id"][:7] + "…", "cartoon/2.jpg", "pictures/cartoon/2.jpg"):
        assert main(["remove", key, *asked]) == 0, key
        assert "matches cartoon/2.jpg" in capsys.readouterr().out
    assert {removal.key for removal in removal.load()} == {row["id"]}


@pytest.mark.parametrize("key", ["ffffffff", "cartoon/2.jpeg", "2.jpg", "nosuch"])
def test_remove__what_fits_no_row_or_several_is_not_listed(
    key: str, small: Path, own_list: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["remove", key, "--reason", "asked", "--from", str(small / "BUILD")]) == 1
    said = capsys.readouterr()
    assert "nothing was listed" in said.err and "emo8 build" not in said.out
    if key == "cartoon/2.jpeg":
        assert "did you mean 2.jpg" in said.err
    assert not own_list.exists()


def test_remove__a_file_of_this_machine_is_listed_by_its_hash(
    small: Path, own_list: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = small / "pictures" / "cartoon" / "3.jpg"
    assert main(["remove", str(picture), "--reason", "asked"]) == 0
    (entry,) = removal.load()
    assert entry.key == hashlib.sha256(picture.read_bytes()).hexdigest()
    assert main(["remove", "abcdef12", "--reason", "asked"]) == 1
    assert "--from BUILD" in capsys.readouterr().err


def test_remove__damaged_list_stops_the_build_and_names_the_line(own_list: Path) -> None:
    own_list.write_text('{"key": "a", "reason": "b"}\n{"key": \n')
    with pytest.raises(Emo8Error, match="line 2"):
        removal.load()


def test_remove__without_a_reason_or_with_no_build_is_an_error(
    own_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["remove", "a" * 64, "--reason", " "]) == 2
    assert main(["remove", "a" * 64, "--reason", "x", "--from", str(tmp_path)]) == 2
    assert "no build at" in capsys.readouterr().err
    assert not own_list.exists()


def test_matcher__flat_hashes_are_no_evidence() -> None:
    import numpy as np

    matcher = removal.Matcher([removal.Removal(key="k", reason="r", phashes=("0" * 15 + "1",))])
    assert matcher.copies(np.array([0, 1, 3], np.uint64)).min() == 65


def test_removed_rows__nothing_asked_nothing_is_read() -> None:
    def rows() -> list[pa.Table]:
        raise AssertionError("the rows were read")

    assert removal.removed_rows(rows, []).num_rows == 0


def test_remove__two_at_once_are_both_on_the_list(
    own_list: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading
    import time

    really = removal.write_text

    def slowly(path: Path, text: str) -> None:
        time.sleep(0.3)
        really(path, text)

    monkeypatch.setattr(removal, "write_text", slowly)
    keys = [f"https://example.org/{n}.jpg" for n in range(4)]
    threads = [threading.Thread(target=removal.add, args=(key, "asked", [])) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.key for one in removal.load()) == keys


def test_remove__by_the_hash_of_the_published_file_alone(own: Path, own_list: Path) -> None:
    """Only the shards know which row that file is; the list remembers it when they forget."""
    shards = (own / "BUILD" / "dataset" / "data").glob("*/*.parquet")
    rows = (row for shard in shards for row in pq.read_table(shard).to_pylist())
    row = next(row for row in rows if row["published_sha256"] != row["id"])
    assert main(["remove", row["published_sha256"].upper(), "--reason", "asked"]) == 0
    for _ in range(2):
        build(own / "recipe.toml", own / "BUILD", workers=1)
        assert row["id"] not in published_ids(own)
    (entry,) = removal.load()
    assert entry.ids == (row["id"],) and entry.pixels == (row["pixel_sha256"],)


def test_matcher__spellings_of_an_address_and_hosts_apart() -> None:
    matcher = removal.Matcher(
        [removal.Removal(key="https://example.org/caf%C3%A9.jpg", reason="r")]
    )
    asked = ["http://www.example.org/café.jpg", "https://example.com/caf%C3%A9.jpg", None, "café"]
    assert matcher.exact(asked).tolist() == [True, False, False, False]
    assert matcher.any_of([[None, asked[0]], [], [asked[1]]]).tolist() == [True, False, False]


def test_remove__old_pages_and_previews_go_with_the_picture(own: Path, own_list: Path) -> None:
    folder = own / "BUILD"
    assert main(["report", str(folder)]) == 0
    (folder / "browse" / "pictures" / "ab").mkdir(parents=True)
    (folder / "browse" / "pictures" / "ab" / "abc.jpg").write_bytes(b"x")
    pages = [path for path in (folder / "report").rglob("*") if path.suffix in (".html", ".png")]
    assert pages
    assert main(["remove", sorted(published_ids(own))[0], "--reason", "asked"]) == 0
    build(own / "recipe.toml", folder, workers=1)
    assert not any(path.exists() for path in pages)
    assert not (folder / "browse" / "pictures").exists()
    assert (folder / "report" / "funnel.json").exists()


def test_prove__every_file_that_still_holds_it_until_its_source_is_gone(
    own: Path, own_list: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import hashlib

    folder, picture = own / "BUILD", own / "pictures" / "natural" / "0.jpg"
    key = hashlib.sha256(picture.read_bytes()).hexdigest()
    assert to_folder(folder, tmp_path / "P").sent
    prove = ["remove", "--prove", key, "--from", str(folder), "--in", str(tmp_path / "P")]
    assert main(prove) == 1
    said = capsys.readouterr().out
    assert f"STILL {tmp_path}/P/data/natural/" in said and "1 rows, with the picture" in said
    assert main(["remove", key, "--reason", "asked", "--from", str(folder)]) == 0
    picture.unlink()
    build(own / "recipe.toml", folder, workers=1)
    assert to_folder(folder, tmp_path / "P").sent
    capsys.readouterr()
    code = main(prove)
    said = capsys.readouterr().out
    assert code == 0, [line for line in said.splitlines() if "STILL" in line]
    assert "hash  " in said and "0 still hold it" in said
    assert main(["remove", "--prove", key]) == 2 and main(["remove"]) == 2
