"""`uniemox show RUN IMAGE…`: reconstructions, attention, neighbours."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pretrain.cli import main
from pretrain.show import images
from pretrain.weights import encoder
from tests.conftest import encoded, picture


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Two renderings of one picture and another one."""
    files = []
    for name, seed, size in (
        ("a.jpg", 1, (90, 60)),
        ("b.png", 1, (180, 120)),
        ("c.jpg", 7, (64, 64)),
    ):
        path = tmp_path / name
        path.write_bytes(encoded(picture(seed, size)))
        files.append(path)
    return files


def test_see__copy_is_the_nearest_and_nobody_is_its_own(
    trained: Path, pictures: list[Path]
) -> None:
    seen = images.see(trained, pictures)
    assert [one.row.id for one in seen] == ["a.jpg", "b.png", "c.jpg"]
    assert seen[0].neighbours[0].name == "b.png"
    for one in seen:
        assert len(one.neighbours) == 2 and one.row.id not in {n.name for n in one.neighbours}


def test_see__one_picture_alone_has_no_neighbour(trained: Path, pictures: list[Path]) -> None:
    assert images.see(trained, pictures[:1])[0].neighbours == []


def test_see__neighbours_among_a_dataset(
    trained: Path, pictures: list[Path], dataset_dir: Path
) -> None:
    seen = images.see(trained, pictures[:1], among=str(dataset_dir))
    sims = [n.sim for n in seen[0].neighbours]
    assert len(sims) == 3 and sims == sorted(sims, reverse=True)
    assert sims[0] == pytest.approx(1.0, abs=1e-4)  # the picture is the dataset's second row


def test_attention__is_cls_over_patches(trained: Path) -> None:
    model, config = encoder.load_model(trained)
    side = config.model.image_size
    pixels = torch.randn(2, 3, side, side)
    maps = images.attention_maps(model, pixels)
    assert maps.shape == (2, config.model.num_patches)
    assert (maps > 0).all() and (maps.sum(dim=1) < 1).all()  # the rest is on CLS itself
    model.mae.blocks[-1].attn.fused_attn = False
    found: list[torch.Tensor] = []
    drop = model.mae.blocks[-1].attn.attn_drop
    drop.register_forward_hook(lambda module, given, out: found.append(out))
    model.mae.encode(pixels)
    torch.testing.assert_close(maps, found[0].mean(dim=1)[:, 0, 1:])


def test_show__writes_page_and_sheet(
    trained: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["show", str(trained), *map(str, pictures)]
    assert main([*words, "--out", str(tmp_path / "seen.html")]) == 0
    page = (tmp_path / "seen.html").read_text("utf-8")
    assert page.count("<img") == 3 * 7 + 6 and "a.jpg" in page and "http" not in page
    assert main([*words, "--out", str(tmp_path / "seen.png")]) == 0
    assert np.asarray(Image.open(tmp_path / "seen.png")).shape[1] == 7 * 64 + 6 * 6
    assert "3 pictures" in capsys.readouterr().out


def test_show__file_that_is_no_picture_is_named(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "notes.jpg"
    bad.write_text("not a picture")
    assert main(["show", str(trained), str(bad)]) == 2
    assert "notes.jpg: not a readable picture" in capsys.readouterr().err
