from pathlib import Path

from emo8.browse.media import PictureFiles
from tests.conftest import encoded, picture


def test_write__key_of_a_dataset_from_outside_is_no_path(tmp_path: Path) -> None:
    keys = ["../../outside/x", "/etc/x", "a" * 5000, "nul\0byte", "\ud800", "plain"]
    files = PictureFiles(tmp_path / "cache" / "pictures")
    assert list(files.write((key, encoded(picture(n))) for n, key in enumerate(keys))) == []
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(found) == len(keys)
    assert all((tmp_path / "cache" / "pictures") in path.parents for path in found)
    again = PictureFiles(tmp_path / "cache" / "pictures")
    assert [again.find(key) for key in keys] == [files.find(key) for key in keys]
    assert again.placeholder("../../none").parent == tmp_path / "cache" / "pictures" / "none"
