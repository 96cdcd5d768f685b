import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from emo8.core.errors import Emo8Error
from emo8.sources import members
from emo8.sources.base import Candidate
from tests.conftest import encoded, picture

Read = Callable[..., list[Candidate]]


def add(tar: tarfile.TarFile, name: str, data: bytes = b"", **fields: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_archive__tar_members_are_read_and_only_plain_ones(
    tmp_path: Path, candidates: Read, mode: str
) -> None:
    data = [encoded(picture(k)) for k in range(6)]
    with tarfile.open(tmp_path / "a.tar", mode) as tar:
        for k in range(6):
            add(tar, f"./cartoon/{k}.jpg", data[k])
        add(tar, "cartoon/link.jpg", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(tar, "cartoon/hard.jpg", type=tarfile.LNKTYPE, linkname="cartoon/0.jpg")
        add(tar, "cartoon/device.jpg", type=tarfile.CHRTYPE)
        add(tar, "../../cartoon/escape.jpg", data[0])
        add(tar, ".hidden/x.jpg", data[0])
    before = sorted(tmp_path.parent.rglob("*"))
    found = candidates(kind="archive", path="a.tar", style="cartoon", part_rows=4)
    assert sorted(tmp_path.parent.rglob("*")) == before, "something was unpacked to disk"
    by_name = {candidate.source_path: candidate for candidate in found}
    assert [by_name[f"a.tar!cartoon/{k}.jpg"].data for k in range(6)] == data
    for name in ("link", "hard", "device"):
        assert by_name[f"a.tar!cartoon/{name}.jpg"].reason == "refused_path"
    assert by_name["a.tar!../../cartoon/escape.jpg"].data == data[0]
    assert len(found) == 10


def test_archive__zip_with_folders_as_claims_and_hostile_members(
    tmp_path: Path, candidates: Read
) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("natural/fear/a.jpg", encoded(picture(1)))
        file.writestr("cartoons/Angry/b.png", encoded(picture(2), "PNG"))
        file.writestr("natural/readme.txt", "words")
        file.writestr("natural/fear/bomb.jpg", b"\0" * 2_000_000)
        link = zipfile.ZipInfo("natural/fear/link.jpg")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
        file.writestr("__MACOSX/natural/fear/a.jpg", b"junk")
    found = candidates(kind="archive", path="*.zip", layout="style/emotion", part_rows=2)
    a, b, readme, bomb, link_ = found
    assert (a.claims.style, a.claims.emotion) == ("natural", "fear")
    assert (b.claims.style, b.claims.emotion) == ("cartoon", "anger")
    assert readme.data == b"words" and readme.claims.emotion is None
    assert (bomb.reason, bomb.value) == ("too_many_bytes", 2_000_000)
    assert link_.reason == "refused_path"


def test_archive__damaged_archives_cost_their_rest_and_not_the_others(
    tmp_path: Path, candidates: Read
) -> None:
    for name in ("a", "b"):
        with tarfile.open(tmp_path / f"{name}.tar.gz", "w:gz") as tar:
            for k in range(5):
                add(tar, f"{k}.png", encoded(picture(k, (200, 200)), "PNG"))
    whole = (tmp_path / "b.tar.gz").read_bytes()
    (tmp_path / "b.tar.gz").write_bytes(whole[: len(whole) // 2])
    found = candidates(kind="archive", path="*.tar.gz", style="natural", part_rows=3)
    assert sum(c.data is not None for c in found if c.source_path.startswith("a.")) == 5
    last = [c for c in found if c.source_path.startswith("b.")]
    assert last[-1].reason == "unreadable" and len(last) >= 2


def test_archive__a_changed_byte_in_a_zip_costs_one_member(
    tmp_path: Path, candidates: Read
) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for k in range(3):
            file.writestr(f"{k}.jpg", encoded(picture(k)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    found = candidates(kind="archive", path="z.zip", style="natural")
    assert [candidate.reason for candidate in found].count("unreadable") == 1


def test_archive__odd_member_names_are_listed(corpus: Path, candidates: Read) -> None:
    path = str(corpus / "bad" / "odd_names.tar")
    found = candidates(kind="archive", path=path, style="natural")
    assert len(found) == 3 and all(candidate.data for candidate in found)
    assert any("\\xff\\xfe" in candidate.source_path for candidate in found)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "pipe:cat a.tar", "style": "natural"}, ["pipe:", "refused"]),
        ({"path": "https://example.org/a.tar", "style": "natural"}, ["no address", "download"]),
        ({"path": "none*.tar", "style": "natural"}, ["no file matches"]),
        ({"path": "text.zip", "style": "natural"}, ["no images", "text.zip"]),
        ({"path": "text.zip"}, ["no style"]),
    ],
)
def test_archive__unusable_sources_say_why(
    tmp_path: Path, candidates: Read, options: dict[str, str], words: list[str]
) -> None:
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(Emo8Error) as caught:
        candidates(kind="archive", **options)
    for word in words:
        assert word in str(caught.value)


def test_archive__backslashes_part_folders(tmp_path: Path, candidates: Read) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        info = zipfile.ZipInfo("x.jpg")
        info.filename = "awe\\1.jpg"  # as some Windows programs write it
        file.writestr(info, encoded(picture(1)))
    (found,) = candidates(kind="archive", path="a.zip", style="natural", emotion_from="folder")
    assert (found.source_path, found.claims.emotion) == ("a.zip!awe/1.jpg", "awe")


def test_archive__a_bomb_is_not_unpacked_to_be_listed(
    tmp_path: Path, candidates: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "_MOST_UNPACKED", 200_000)
    with tarfile.open(tmp_path / "a.tar.xz", "w:xz") as tar:
        info = tarfile.TarInfo("0.jpg")
        info.size = len(encoded(picture(0)))
        tar.addfile(info, io.BytesIO(encoded(picture(0))))
        for number in range(3_000):
            tar.addfile(tarfile.TarInfo(f"{number}.txt"))
    found = candidates(kind="archive", path="a.tar.xz", style="natural", part_rows=100_000)
    assert found[0].data
    assert len(found) < 3_000
    assert found[-1].reason == "unreadable"
