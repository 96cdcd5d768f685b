import io
import json
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from emo8.core.images import DecodeError, decode, decode_pil
from tests.conftest import encoded, picture


def test_decode__orientation_is_applied() -> None:
    upright = picture(1)
    turned = upright.rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(encoded(turned, quality=95, exif=exif))
    assert decoded.rgb.shape == (120, 160, 3)
    assert np.abs(decoded.rgb.astype(int) - np.asarray(upright).astype(int)).mean() < 3
    assert not decoded.plain


def _half_clear(colour: tuple[int, int, int, int]) -> Image.Image:
    """A picture (40 x 30) with this colour on its left half and nothing on its right."""
    image = Image.new("RGBA", (40, 30), (255, 0, 0, 0))
    image.paste(colour, (0, 0, 20, 30))
    return image


def test_decode__transparent_pixels_are_laid_on_white() -> None:
    decoded = decode(encoded(_half_clear((0, 0, 255, 255)), "PNG"))
    assert tuple(decoded.rgb[0, 39]) == (255, 255, 255) and decoded.ground == "white"
    assert tuple(decoded.rgb[0, 0]) == (0, 0, 255)
    assert decoded.visible == pytest.approx(0.5)


@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "GIF", "TIFF"])
def test_decode__white_art_is_laid_on_black(fmt: str) -> None:
    image = _half_clear((255, 255, 255, 255))
    options = {"lossless": True} if fmt == "WEBP" else {}
    decoded = decode(encoded(image, fmt, **options))
    assert decoded.ground == "black" and not decoded.plain
    assert tuple(decoded.rgb[0, 39]) == (0, 0, 0) and tuple(decoded.rgb[0, 0]) == (255, 255, 255)
    assert decode_pil(image).pixel_sha256() == decoded.pixel_sha256()


def test_decode__white_art_with_an_outline_stays_on_white() -> None:
    image = _half_clear((255, 255, 255, 255))
    image.paste((40, 40, 40, 255), (0, 0, 2, 30))  # a tenth of what can be seen
    assert decode(encoded(image, "PNG")).ground == "white"


def test_decode__faint_and_invisible_pictures_have_a_ground_too() -> None:
    faint = _half_clear((90, 90, 90, 20))  # as light as white on white, as dark as black on black
    assert decode(encoded(faint, "PNG")).ground == "white"
    assert decode(encoded(_half_clear((0, 0, 0, 0)), "PNG")).ground == "white"
    assert decode(encoded(Image.new("RGBA", (40, 30), "white"), "PNG")).ground == "none"


def test_decode__a_large_picture_has_one_ground() -> None:
    image = Image.new("RGBA", (1600, 1400), (255, 255, 255, 0))  # two bands
    image.paste((255, 255, 255, 255), (0, 0, 1600, 1000))
    image.paste((0, 0, 0, 255), (0, 1300, 200, 1400))
    decoded = decode(encoded(image, "PNG"))
    assert decoded.ground == "black" and tuple(decoded.rgb[1200, 0]) == (0, 0, 0)


def test_decode__sixteen_bit_grey_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16)[None, :].repeat(8, axis=0)
    decoded = decode(encoded(Image.fromarray(ramp), "PNG"))
    assert decoded.rgb[0, 32, 0] == pytest.approx(130, abs=2)
    assert decoded.rgb[0, -1, 0] == 255


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, I am text", "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_an_image"),
        (encoded(picture(1))[:20], "truncated"),
        (encoded(picture(1))[:1500], "truncated"),
    ],
)
def test_decode__unusable_bytes_give_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(data)
    assert caught.value.reason == reason


def test_decode__pixel_cap_is_applied_before_memory_is_taken() -> None:
    data = encoded(Image.new("1", (9000, 9000)), "PNG")
    tracemalloc.start()
    with pytest.raises(DecodeError) as caught:
        decode(data, max_pixels=1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (caught.value.reason, caught.value.value) == ("too_many_pixels", 81_000_000)
    assert peak < 5_000_000


def test_decode__bad_corpus_ends_as_its_manifest_says(corpus) -> None:  # type: ignore[no-untyped-def]
    files = json.loads((corpus / "bad" / "manifest.json").read_text())["files"]
    files = [entry for entry in files if "!" not in entry["file"]]
    assert len(files) > 50
    for entry in files:
        data = (corpus / "bad" / entry["file"]).read_bytes()
        if entry["decodes"]:
            assert decode(data).rgb.size, entry["file"]
        else:
            with pytest.raises(DecodeError):
                decode(data)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 20}]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_decode__fast_jpeg_path_gives_the_pixels_of_pil(
    mode: str, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(picture(5, (203, 131)).convert(mode), **options)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("PIL decoded it"))
    fast = decode(data)
    monkeypatch.undo()
    assert np.array_equal(fast.rgb, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert fast.plain and fast.mode == mode


def test_decode__fast_jpeg_path_refuses_what_pil_refuses() -> None:
    data = encoded(picture(6, (300, 200)))
    for cut in range(len(data) - 40, len(data) - 1, 3):
        slow = None
        try:
            Image.open(io.BytesIO(data[:cut])).load()
        except OSError as error:
            slow = error
        if slow is None:
            assert decode(data[:cut]).rgb.size
        else:
            with pytest.raises(DecodeError) as caught:
                decode(data[:cut])
            assert caught.value.reason == "truncated"
