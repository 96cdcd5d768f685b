"""A picture file's compressed data in a new file that holds nothing else.

Each module builds the new file from an allow-list of what the format needs; whatever else the old
file held is left behind, known or not. Compressed pixels are copied, never encoded again.
"""

from __future__ import annotations

from collections.abc import Callable

from emo8.dataset.bare.avif import bare_avif
from emo8.dataset.bare.jpeg import bare_jpeg
from emo8.dataset.bare.webp import bare_webp

# By the name PIL gives to the format. An MPO is a JPEG with other pictures behind the first one.
BARE: dict[str, Callable[[bytes], bytes]] = {
    "JPEG": bare_jpeg,
    "MPO": bare_jpeg,
    "WEBP": bare_webp,
    "AVIF": bare_avif,
}
