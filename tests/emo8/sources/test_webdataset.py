import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from emo8.core.errors import Emo8Error
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
    assert (first.claims.caption, first.claims.style) == ("a storm", "sci-fi")
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
