"""A folder takes the place of another in one step, with and without a swap of names."""

from pathlib import Path

import pytest

from emo8.engine import folders


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """A staged folder and the one it replaces."""
    for name in ("staged", "P"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    return tmp_path / "staged", tmp_path / "P"


@pytest.mark.parametrize("swaps", [True, False])
def test_replace_folder__with_and_without_a_swap_of_names(
    two: tuple[Path, Path], swaps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not swaps:
        monkeypatch.setattr(folders, "exchange", lambda one, other: False)
    folders.replace_folder(*two)
    assert (two[1] / "file").read_text() == "staged"
    assert not (two[1].parent / ".P.old").exists()


def test_exchange__swaps_two_folders_or_says_that_it_cannot(two: tuple[Path, Path]) -> None:
    swapped = folders.exchange(*two)
    assert (two[1] / "file").read_text() == ("staged" if swapped else "P")
    assert not folders.exchange(two[0], two[0].parent / "none")


def test_recover__puts_back_what_a_kill_between_two_renames_left(tmp_path: Path) -> None:
    (tmp_path / ".P.old").mkdir()
    (tmp_path / ".P.old" / "file").write_text("before")
    folders.recover(tmp_path / "P")
    assert (tmp_path / "P" / "file").read_text() == "before"
    folders.recover(tmp_path / "P")
    assert [path.name for path in tmp_path.iterdir()] == ["P"]
