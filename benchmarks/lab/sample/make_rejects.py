"""Files that a build must refuse, made here so that the demo shows every kind of refusal.

Each is made from nothing, or from a picture of the sample that lies beside it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageDraw

AUTHORS = "the emo8 authors"


@dataclass(frozen=True, kw_only=True)
class Reject:
    """One bad file: where it lies in the folder source, what is in it, and why it must leave."""

    file: str  # below pictures/; the first folder is the style
    caption: str
    reasons: tuple[str, ...]  # codes of emo8/core/reasons.py, any of which is right
    make: Callable[[bytes], bytes]  # from the bytes of `source`, or from b""
    source: str = ""  # file below pictures/ that it is made from


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def truncated_jpeg(data: bytes) -> bytes:
    """The first half of a JPEG: a good header, then nothing."""
    return data[: len(data) // 2]


def text_file(_: bytes) -> bytes:
    """Plain text, as a server sends when it says "not found" under a picture's name."""
    return b"404 Not Found\nThe picture you asked for is no longer here.\n"


def zero_bytes(_: bytes) -> bytes:
    """Nothing at all."""
    return b""


def icon(_: bytes) -> bytes:
    """A smiling face of 16 x 16 pixels."""
    image = Image.new("RGB", (16, 16), "#4477AA")
    draw = ImageDraw.Draw(image)
    draw.ellipse((2, 2, 13, 13), fill="#FFD23F")
    draw.arc((5, 5, 10, 11), 0, 180, fill="#333333")
    return _png(image)


def banner(_: bytes) -> bytes:
    """A strip of 960 x 80 pixels."""
    image = Image.new("RGB", (960, 80), "#12355B")
    draw = ImageDraw.Draw(image)
    for left in range(0, 960, 40):
        draw.polygon([(left, 80), (left + 20, 10), (left + 40, 80)], fill="#D72638")
    draw.text((480, 45), "SALE  SALE  SALE", "#FFFFFF", anchor="mm")
    return _png(image)


def animation(_: bytes) -> bytes:
    """A GIF of six frames: a ball that bounces."""
    frames = []
    for height in (20, 45, 70, 80, 70, 45):
        frame = Image.new("RGB", (120, 120), "#F6F7EB")
        ImageDraw.Draw(frame).ellipse((45, height, 75, height + 30), fill="#E94F37")
        frames.append(frame.quantize(8))
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)
    return file.getvalue()


def all_black(_: bytes) -> bytes:
    """Black, 256 x 256."""
    return _png(Image.new("RGB", (256, 256)))


def invisible(_: bytes) -> bytes:
    """A drawing of which no pixel is visible, 200 x 200."""
    image = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((40, 40, 160, 160), fill=(230, 80, 60, 0))
    return _png(image)


def same_bytes(data: bytes) -> bytes:
    """The very same bytes."""
    return data


def recompressed(data: bytes) -> bytes:
    """The same picture saved again as a poorer JPEG."""
    file = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(file, "JPEG", quality=55)
    return file.getvalue()


REJECTS: tuple[Reject, ...] = (
    Reject(
        file="natural/badlands3_truncated.jpg",
        caption="the first half of a file",
        reasons=("truncated", "corrupt"),
        make=truncated_jpeg,
        source="natural/badlands3.jpg",
    ),
    Reject(
        file="realistic/not_found.jpg",
        caption="text under the name of a picture",
        reasons=("not_an_image",),
        make=text_file,
    ),
    Reject(
        file="advertising_cover/empty.png",
        caption="a file without bytes",
        reasons=("empty",),
        make=zero_bytes,
    ),
    Reject(
        file="cartoon/icon_16.png",
        caption="a face of sixteen pixels",
        reasons=("too_small",),
        make=icon,
    ),
    Reject(
        file="advertising_cover/banner.png",
        caption="a very wide banner",
        reasons=("extreme_aspect",),
        make=banner,
    ),
    Reject(
        file="cartoon/bouncing_ball.gif",
        caption="an animation",
        reasons=("animated",),
        make=animation,
    ),
    Reject(
        file="science_fiction/all_black.png",
        caption="nothing but black",
        reasons=("blank",),
        make=all_black,
    ),
    Reject(
        file="cartoon/invisible.png",
        caption="a drawing without a visible pixel",
        reasons=("transparent",),
        make=invisible,
    ),
    Reject(
        file="natural/lava-sea_copy.jpg",
        caption="an exact copy",
        reasons=("duplicate_exact",),
        make=same_bytes,
        source="natural/lava-sea.jpg",
    ),
    Reject(
        file="realistic/coffee_recompressed.jpg",
        caption="the same picture saved again",
        reasons=("duplicate_near",),
        make=recompressed,
        source="realistic/coffee.jpg",
    ),
)
