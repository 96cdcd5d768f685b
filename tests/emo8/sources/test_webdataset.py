import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emo8.core.errors import Emo8Error
from emo8.core.images import decode
from emo8.sources.base import Candidate
from tests.conftest import encoded, picture

Read = Callable[..., list[Candidate]]


def shard(path: Path, members: dict[str, bytes | str]) -> None:
    """A tar of these members; a text value makes a symbolic link to it."""
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def test_webdataset__samples_with_claims_from_json_txt_and_fields(
    tmp_path: Path, candidates: Read
) -> None:
    claims = {"title": "a storm", "look": "sci-fi", "rights": "CC0-1.0", "url": "https://x.test/1"}
    shard(
        tmp_path / "train-000.tar",
        {
            "a/0.jpg": encoded(picture(0)),
            "a/0.json": json.dumps(claims).encode(),
            "a/0.cls": b"3",
            "a/1.png": encoded(picture(1), "PNG"),
            "a/1.txt": b" a calm lake ",
            "a/1.json": b"{broken",
            "a/2.txt": b"no picture here",
            "a/3.pyd": b"\x80\x04never unpickled",
            "a/3.webp": encoded(picture(3), "WEBP"),
        },
    )
    shard(tmp_path / "test-000.tar", {"b.jpg": encoded(picture(9)), "c.jpg": "/etc/passwd"})
    found = candidates(
        kind="webdataset",
        path="*.tar",
        columns={"caption": "title", "style": "look", "license": "rights", "emotion": "cls"},
        emotions={"3": "awe"},
        keep_splits=True,
        part_rows=3,
    )
    by_name = {candidate.source_path: candidate for candidate in found}
    first = by_name["train-000.tar!a/0.jpg"]
    assert first.data == encoded(picture(0))
    assert (first.claims.caption, first.claims.style) == ("a storm", "science_fiction")
    assert (first.claims.license, first.claims.emotion) == ("CC0-1.0", "awe")
    assert (first.claims.url, first.claims.split) == ("https://x.test/1", "train")
    assert by_name["train-000.tar!a/1.png"].claims.caption == "a calm lake"
    assert by_name["train-000.tar!a/2"].reason == "no_image"
    assert by_name["train-000.tar!a/3.webp"].data
    assert by_name["test-000.tar!b.jpg"].claims.split == "test"
    assert by_name["test-000.tar!c.jpg"].reason == "refused_path"
    assert len(found) == 6


@pytest.mark.parametrize("path", ["pipe:curl x", "https://x.test/a.tar", "text.tar"])
def test_webdataset__pipes_urls_and_no_tars_are_refused(
    tmp_path: Path, candidates: Read, path: str
) -> None:
    (tmp_path / "text.tar").write_text("no archive")
    with pytest.raises(Emo8Error):
        candidates(kind="webdataset", path=path, style="natural")


def test_webdataset__every_picture_of_a_sample_is_an_input(
    tmp_path: Path, candidates: Read
) -> None:
    jpg = [encoded(picture(n)) for n in range(6)]
    mask = encoded(picture(9).convert("L"), "PNG")
    shard(
        tmp_path / "s.tar",
        {
            "img.001.jpg": jpg[0],
            "img.002.jpg": jpg[1],
            "img.002.txt": b"the second",
            "a.left.jpg": jpg[2],
            "a.right.jpg": jpg[3],
            "a.txt": b"stereo",
            "m.png": mask,
            "m.jpg": jpg[4],
            "m.seg.png": mask,
            "m.txt": b"picture and mask",
        },
    )
    options = {"kind": "webdataset", "path": "s.tar", "style": "natural"}
    found = {one.source_path.removeprefix("s.tar!"): one for one in candidates(**options)}
    kept = {name: one.claims.caption for name, one in found.items() if one.data}
    assert kept == {
        "img.001.jpg": None,
        "img.002.jpg": "the second",
        "a.left.jpg": "stereo",
        "a.right.jpg": "stereo",
        "m.jpg": "picture and mask",
    }
    assert {n: one.reason for n, one in found.items() if not one.data} == {
        "m.png": "beside_picture",
        "m.seg.png": "beside_picture",
    }
    chosen = candidates(**options, columns={"image": "right.jpg"})
    right = {one.source_path for one in chosen if one.data and "a." in one.source_path}
    assert right == {"s.tar!a.right.jpg"}


@pytest.mark.parametrize("fmt", ["JPEG", "PNG"])
def test_webdataset__the_turn_that_img2dataset_remembers_is_applied(
    tmp_path: Path, candidates: Read, fmt: str
) -> None:
    upright = picture(1, (160, 120))
    sideways = encoded(upright.rotate(90, expand=True), fmt)  # as stored; turned clockwise to show
    told = {"exif": json.dumps({"Image Orientation": "Rotated 90 CW"}), "caption": None}
    members = {"0.x": b"", "0.json": json.dumps(told).encode(), "0.txt": b"None"}
    shard(tmp_path / "00000.tar", {f"0.{fmt.lower().replace('jpeg', 'jpg')}": sideways, **members})
    (found,) = candidates(kind="webdataset", path="00000.tar", style="natural")
    assert found.claims.caption is None
    decoded = decode(found.data or b"")
    assert (decoded.width, decoded.height) == (160, 120)
    difference = np.abs(decoded.rgb.astype(int) - np.asarray(upright).astype(int))
    assert difference.mean() < 5


def test_webdataset__damaged_texts_and_deep_json_cost_a_claim(
    tmp_path: Path, candidates: Read
) -> None:
    deep = b'{"caption": ' * 50_000
    shard(tmp_path / "s.tar", {"0.jpg": encoded(picture(0)), "0.json": deep, "0.txt": b"\xff\xfe"})
    (found,) = candidates(kind="webdataset", path="s.tar", style="natural")
    assert found.data


def test_webdataset__kept_splits_that_nobody_names_are_told(
    tmp_path: Path, candidates: Read
) -> None:
    shard(tmp_path / "minival.tar", {"0.jpg": encoded(picture(0))})
    options = {"kind": "webdataset", "path": "*.tar", "style": "natural", "keep_splits": True}
    (found,) = candidates(**options)
    assert found.reason == "bad_row"
    assert 'splits = { "minival" = "train" }' in (found.detail or "")
    (found,) = candidates(**options, splits={"minival": "val"})
    assert found.claims.split == "val"


def test_webdataset__members_of_a_sample_lie_anywhere_in_the_shard(
    tmp_path: Path, candidates: Read
) -> None:
    """As `tar cf` stores a folder: by the disk's list, not by name."""
    pictures = {f"{key}.jpg": encoded(picture(key)) for key in range(7)}
    texts: dict[str, bytes | str] = {f"{key}.cls": b"awe" for key in (6, 2, 0)}
    shard(tmp_path / "a.tar", {**pictures, **texts, "6.txt": b"the first caption of all"})
    found = candidates(kind="webdataset", path="a.tar", style="natural", columns={"emotion": "cls"})
    assert [candidate.source_path for candidate in found] == [f"a.tar!{k}.jpg" for k in range(7)]
    assert [c.claims.emotion for c in found] == ["awe", None, "awe", None, None, None, "awe"]
    assert found[6].claims.caption == "the first caption of all"


def test_webdataset__the_same_key_again_is_another_sample(tmp_path: Path, candidates: Read) -> None:
    """Shards put together with `tar -A` may each count from 0."""
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for seed, caption in ((0, b"one"), (1, b"two")):
            for name, data in (("0.jpg", encoded(picture(seed))), ("0.txt", caption)):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    found = candidates(kind="webdataset", path="a.tar", style="natural")
    assert [candidate.data for candidate in found] == [encoded(picture(k)) for k in (0, 1)]
    assert [candidate.claims.caption for candidate in found] == ["one", "two"]
