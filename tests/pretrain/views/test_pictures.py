"""One decode for both views: the same pixels as the slow way, upright, broken ones refused."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from emo8.core import images
from emo8.core.scaled_jpeg import ScaledJpeg
from pretrain.config import recipes
from pretrain.views import pictures
from pretrain.views.cut import cut
from pretrain.views.pictures import Jpeg, Pixels, UnreadableImageError, decode, open_picture
from tests.conftest import encoded, picture
from tests.emo8.core.profiles import GREY_LINEAR, P3

VIEWS = recipes.cpu_smoke().views
PERSON = [{"x0": 0.1, "y0": 0.2, "x1": 0.9, "y1": 0.8}]


def close(one: torch.Tensor, two: torch.Tensor) -> bool:
    """True for the same picture scaled another way."""
    return float((one.float() - two.float()).abs().mean()) < 3.0


@pytest.mark.parametrize("turn", range(1, 9))
def test_jpeg__is_upright_whatever_the_camera_said(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(picture(1, (160, 96)), "JPEG", quality=95, exif=exif.tobytes())
    found, whole = open_picture(data, PERSON, VIEWS), decode(data)
    assert isinstance(found, Jpeg)
    height, width, _ = whole.shape
    assert found.scene_size == (width, height)
    slow = pictures.whole_picture(whole, PERSON, VIEWS)
    assert found.person_size == slow.person_size
    box = (8, 16, width - 8, height)
    scene, person = found.cut_views(box, (4, 4, 60, 50), 32)
    slow_scene, slow_person = slow.cut_views(box, (4, 4, 60, 50), 32)
    assert close(scene, slow_scene) and close(person, slow_person)


@pytest.mark.parametrize(
    ("side", "scale"), [(31, 1), (63, 1), (64, 2), (127, 2), (128, 4), (255, 4), (256, 8)]
)
def test_jpeg__is_decoded_no_larger_than_the_smaller_crop_needs(
    side: int, scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded, kept = [], ScaledJpeg.decode

    def watched(self: ScaledJpeg, factor: int) -> tuple[np.ndarray, int]:
        pixels, scale = kept(self, factor)
        decoded.append((factor, pixels.copy()))
        return pixels, scale

    monkeypatch.setattr(ScaledJpeg, "decode", watched)
    data = encoded(picture(2, (603, 401)))
    found = open_picture(data, None, VIEWS)
    scene, person = found.cut_views((0, 0, 603, 401), (104, 48, 104 + side, 48 + side), 32)
    ((factor, pixels),) = decoded
    assert factor == scale and pixels.shape == (-(-401 // scale), -(-603 // scale), 3)
    whole = decode(data)
    assert close(scene, cut(whole, (0, 0, 603, 401), 32))
    assert close(person, cut(whole, (104, 48, 104 + side, 48 + side), 32))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpeg__of_other_colours_becomes_rgb(mode: str) -> None:
    data = encoded(picture(3, (64, 64)).convert(mode))
    found = open_picture(data, None, VIEWS)
    assert isinstance(found, Pixels) is (mode == "CMYK")
    scene, _ = found.cut_views((0, 0, 64, 64), (0, 0, 64, 64), 64)
    assert close(scene, decode(data).permute(2, 0, 1))


@pytest.mark.parametrize("fmt", ["PNG", "WEBP"])
def test_other_formats__are_decoded_whole(fmt: str) -> None:
    found = open_picture(encoded(picture(4, (50, 40)), fmt), PERSON, VIEWS)
    assert isinstance(found, Pixels) and found.scene_size == (50, 40)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(64, 64), (256, 256)])
def test_jpeg__with_a_profile_is_seen_as_the_builder_sees_it(
    mode: str, size: tuple[int, int]
) -> None:
    profile = P3 if mode == "RGB" else GREY_LINEAR
    data = encoded(picture(3, size).convert(mode), quality=95, subsampling=0, icc_profile=profile)
    found, right = open_picture(data, None, VIEWS), images.decode(data)
    assert isinstance(found, Jpeg) and right.colour == "converted"
    whole = (0, 0, *size)
    scene, _ = found.cut_views(whole, whole, 64)
    assert close(scene, cut(torch.from_numpy(right.rgb), whole, 64))


def test_decode__wide_grey_is_not_white() -> None:
    ramp = np.linspace(0, 40_000, 64 * 64).astype(np.uint16).reshape(64, 64)
    data = encoded(Image.fromarray(ramp), "PNG")
    assert decode(data).float().mean() == pytest.approx(77.8, abs=0.2)
    assert np.array_equal(decode(data).numpy(), images.decode(data).rgb)


def test_broken__is_refused_when_opened_or_when_cut() -> None:
    whole = encoded(picture(5, (300, 200)))
    for data in (None, b"", b"not a picture", b"\xff\xd8 broken"):
        with pytest.raises(UnreadableImageError):
            open_picture(data, None, VIEWS)
    cut_off = open_picture(whole[: len(whole) // 2], None, VIEWS)
    with pytest.raises(UnreadableImageError):
        cut_off.cut_views((0, 0, 64, 64), (0, 0, 64, 64), 32)


def test_jpeg__that_only_pillow_reads_is_read() -> None:
    data = encoded(picture(6, (256, 256)))
    odd = data[:-2] + bytes(40) + data[-2:]  # stray bytes before the end mark
    assert Image.open(io.BytesIO(odd)).convert("RGB").size == (256, 256)
    scene, _ = open_picture(odd, None, VIEWS).cut_views((0, 0, 256, 256), (0, 0, 256, 256), 32)
    assert close(scene, cut(decode(data), (0, 0, 256, 256), 32))


@pytest.mark.parametrize("flip", [False, True])
def test_views__stay_when_the_next_picture_is_decoded(flip: bool) -> None:
    whole = (0, 0, 64, 64)
    first, _ = open_picture(encoded(picture(7, (64, 64))), None, VIEWS).cut_views(
        whole, whole, 64, (flip, flip)
    )
    before = first.clone()
    open_picture(encoded(picture(8, (64, 64))), None, VIEWS).cut_views(whole, whole, 64)
    assert torch.equal(first, before)
