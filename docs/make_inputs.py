"""Write the tables of pictures in docs/inputs.md: python -m docs.make_inputs, from the root.

Formats, colours and ranges come from the code's own lists; the sentences about them stand here.
The rest of the page is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from emo8.core.formats import FORMATS, PIP_LINE
from emo8.core.pixels import COLOURS
from emo8.core.reasons import REASONS
from emo8.core.wide import RANGES
from emo8.dataset.published_picture import (
    AVIF_QUALITIES,
    JPEG_QUALITIES,
    MAX_GROWTH,
    WEBP_QUALITIES,
)

PAGE = Path(__file__).parent / "inputs.md"
START = "<!-- pictures: written by `python -m docs.make_inputs` -->"
END = "<!-- end of pictures -->"
# What is read of each format besides plain RGB, and what leaves when it is published.
NOTES = {
    "JPEG": (
        "grey, CMYK, YCCK; arithmetic-coded and lossless JPEG are read. Of MPO and Ultra HDR the "
        "first picture",
        "the same compressed data; encoded anew where turned, converted, CMYK, or of a kind that "
        "browsers do not show",
    ),
    "PNG": (
        "1 to 16 bits, palettes, transparency; of an APNG the first frame of its animation",
        "lossless WebP",
    ),
    "WEBP": ("with and without loss, transparency", "the same compressed data if opaque"),
    "GIF": ("the first frame; white where it draws nothing", "lossless WebP"),
    "BMP": ("", "lossless WebP"),
    "TIFF": (
        "8 to 64 bits, floats, CMYK, CIELAB, white is zero; the first page that is no smaller "
        "copy and no mask of another",
        "lossless WebP; lossy where it held JPEG",
    ),
    "AVIF": ("8 to 12 bits, transparency", "the same compressed data if opaque and one picture"),
    "HEIF": ("the primary picture", "WebP, or AVIF where that is smaller than a good WebP"),
    "JXL": ("all its bits; the first frame", "lossless WebP, or as HEIC where that is too large"),
}
LEAVES = (
    "not_an_image", "format_not_installed", "unsupported_kind", "truncated", "corrupt",
    "too_many_pixels", "animated",
)  # fmt: skip


def pictures() -> str:
    """The generated part of the page."""
    return "\n".join([*_formats(), "", *_colours(), "", *_ranges(), "", *_sizes(), "", *_leaves()])


def _formats() -> Iterator[str]:
    yield "| format | names | what is read besides 8-bit RGB | how it is published |"
    yield "|---|---|---|---|"
    for fmt in FORMATS.values():
        read, published = NOTES[fmt.name]
        name = (fmt.title or fmt.name) + (f" (`{PIP_LINE}`)" if fmt.extra else "")
        yield f"| {name} | {' '.join(fmt.suffixes)} | {read} | {published} |"


def _colours() -> Iterator[str]:
    yield "| column `colour` of `measure` | what the file says, and what is done |"
    yield "|---|---|"
    for code, words in COLOURS.items():
        yield f"| `{code}` | {words} |"


def _ranges() -> Iterator[str]:
    ranges = ", ".join(str(bits) for bits in RANGES)
    yield "| numbers | black to white |"
    yield "|---|---|"
    yield "| whole, range declared (bits per sample, `MaxSampleValue`, `sBIT`) | 0 to that |"
    yield f"| whole, else | 0 to the smallest of {ranges} bits that holds the brightest value |"
    yield "| whole and signed | the same; the positive half of a cell (15 of 16 bits) is one more |"
    yield "| floats, brightest at most 2 | 0 to 1 |"
    yield "| floats, darkest under -0.25, brightest at most 1 | -1 to 1 |"
    yield "| floats, else | as whole numbers |"


def _sizes() -> Iterator[str]:
    yield f"What is encoded anew takes at most {MAX_GROWTH} times the bytes received:"
    yield ""
    yield "| encoded as | quality |"
    yield "|---|---|"
    ladder = {"WebP": WEBP_QUALITIES, "AVIF": AVIF_QUALITIES}
    jpeg = ", ".join(map(str, JPEG_QUALITIES))
    yield f"| JPEG | the tables and chroma sampling received; else the first that fits of {jpeg} |"
    for name, qualities in ladder.items():
        yield f"| {name} with loss | the first that fits of {', '.join(map(str, qualities))} |"
    yield "| WebP without loss | every pixel as decoded |"


def _leaves() -> Iterator[str]:
    yield "| a picture that leaves | why |"
    yield "|---|---|"
    for code in LEAVES:
        yield f"| `{code}` | {REASONS[code]} |"


def page() -> str:
    """The page with its generated part written again."""
    before, _, rest = PAGE.read_text("utf-8").partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{pictures()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
