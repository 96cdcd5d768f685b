"""How many bytes of a grown or changed dataset xet sends again, counted by hf_xet itself."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.lab.speed import upload
from emo8.pipeline.run import build
from emo8.publish.send import to_folder
from tests.conftest import encoded, write_recipe

pytest.importorskip("hf_xet")
Rows = list[upload.Row]


@pytest.mark.parametrize(
    ("change", "kilobytes"),
    [(upload.added, 20), (upload.relabelled, 20), (upload.replaced, 100), (upload.gone, 100)],
)
def test_upload__one_percent_of_other_rows_sends_at_most_five_percent_of_the_bytes(
    change: Callable[..., Rows], kilobytes: int, tmp_path: Path
) -> None:
    sent = upload.share(change, kilobytes, 30, tmp_path)
    assert 0.001 < sent <= 0.05


def test_upload__the_same_rows_again_send_nothing_and_others_everything(tmp_path: Path) -> None:
    store = upload.Store(tmp_path / "store")
    paths = upload.write(tmp_path / "rows", [upload.row(number) for number in range(50)])
    first, total = store.upload(paths)
    assert 0.9 * total < first < 1.1 * total
    assert store.upload(paths)[0] < 0.01 * total


def test_upload__pages_fall_into_step_behind_rows_added_in_the_middle(tmp_path: Path) -> None:
    def in_the_middle(rows: Rows, make: Callable[[int], upload.Row]) -> list[upload.Row]:
        half = len(rows) // 2
        return [*rows[:half], *upload.added(rows, make)[len(rows) :], *rows[half:]]

    assert upload.share(in_the_middle, 20, 30, tmp_path) <= 0.07


def released(store: upload.Store, build_dir: Path, folder: Path) -> tuple[int, int]:
    """Bytes sent, and bytes in all, of everything that a release uploads."""
    to_folder(build_dir, folder)
    return store.upload(sorted(path for path in folder.rglob("*.*") if path.is_file()))


@pytest.mark.slow
def test_release__one_percent_more_rows_all_over_a_folder_are_at_most_five_percent_new_bytes(
    tmp_path: Path,
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)

    def add(name: str) -> None:
        noise = Image.fromarray(rng.integers(0, 256, (96, 128, 3), np.uint8))
        data = encoded(noise.resize((320, 240)), quality=85)
        (pictures / f"{name}.jpg").write_bytes(data)

    for number in range(500):
        add(f"{number:03d}")
    recipe = write_recipe(
        tmp_path,
        f'[[source]]\nkind = "folder"\npath = "{pictures}"\nstyle = "natural"\n'
        'license = "CC0-1.0"\n[splits]\ntrain = 1.0\nval = 0.0\ntest = 0.0',
    )
    build(recipe, tmp_path / "BUILD", workers=2)
    store = upload.Store(tmp_path / "store")
    released(store, tmp_path / "BUILD", tmp_path / "first")
    for number in range(50, 500, 100):
        add(f"{number:03d}-new")
    build(recipe, tmp_path / "BUILD", workers=2)
    sent, total = released(store, tmp_path / "BUILD", tmp_path / "second")
    assert 0.01 < sent / total <= 0.05
