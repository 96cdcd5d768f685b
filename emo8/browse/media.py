"""One picture file per row for the App, because a build keeps its pictures in parquet.

`BUILD/browse/pictures/ab/abcd….jpg`, by the SHA-256 of the row's key: what a dataset from outside
says of its rows is no path. A picture the browser can show and that
is small goes there as it is; others are shrunk. Files are made once, for the rows that are asked
for, and appear by rename: an interrupted run goes on where it stopped, and a file that vanished
comes back. Nothing else reads them: the folder may be deleted.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from emo8.core.headers import is_shown_jpeg
from emo8.engine.files import write_bytes
from emo8.engine.small_pictures import shrunk

MAX_BYTES = 200_000  # larger files are shrunk: the grid loads hundreds at once
MAX_SIDE_PX = 1024  # of what is shrunk; a modal on a laptop shows no more
_SHOWN = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"RIFF": "webp"}
_PLACEHOLDER_PX = (256, 192)
_AHEAD = 64  # pictures in the works at any time


class PictureFiles:
    """The files of one folder, by whole paths: FiftyOne stores them and is run from anywhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder = folder.resolve()
        self._known = {path.stem: path for path in folder.glob("*/*.*") if path.name[0] != "."}

    def find(self, key: str) -> Path | None:
        """The file of a row, None where there is none."""
        return self._known.get(file_stem(key))

    def write(self, pictures: Iterable[tuple[str, bytes | None]]) -> Iterator[str]:
        """Make the files of `pictures`; the keys of those that cannot be shown come back."""
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # decoding frees the GIL
            waiting: deque[tuple[str, Future[Path | None]]] = deque()
            for key, data in pictures:
                waiting.append((key, pool.submit(self._one, key, data)))
                if len(waiting) > _AHEAD:
                    yield from self._settle(*waiting.popleft())
            while waiting:
                yield from self._settle(*waiting.popleft())

    def placeholder(self, words: str) -> Path:
        """A grey picture that says in words why there is none."""
        path = self.folder / "none" / f"{file_stem(words)}.png"
        if not path.exists():
            image = Image.new("RGB", _PLACEHOLDER_PX, "#dddddd")
            middle = (_PLACEHOLDER_PX[0] // 2, _PLACEHOLDER_PX[1] // 2)
            text = words.replace("_", " ").replace(": ", ":\n")
            ImageDraw.Draw(image).multiline_text(
                middle, text, fill="#444444", font=ImageFont.load_default(20), anchor="mm"
            )
            out = io.BytesIO()
            image.save(out, "PNG")
            write_bytes(path, out.getvalue(), durable=False)
        return path

    def _settle(self, key: str, future: Future[Path | None]) -> Iterator[str]:
        path = future.result()
        if path is None:
            yield key
        else:
            self._known[file_stem(key)] = path

    def _one(self, key: str, data: bytes | None) -> Path | None:
        shown = _shown(data) if data else None
        if shown is None:
            return None
        content, suffix = shown
        stem = file_stem(key)
        path = self.folder / stem[:2] / f"{stem}.{suffix}"
        write_bytes(path, content, durable=False)
        return path


def file_stem(key: str) -> str:
    """What the picture file of a row is called, without its suffix."""
    return hashlib.sha256(key.encode(errors="backslashreplace")).hexdigest()


def size_of(path: Path) -> tuple[int, int]:
    """Width and height by the header of a picture file."""
    with Image.open(path) as image:
        return image.size


def _shown(data: bytes) -> tuple[bytes, str] | None:
    """What a browser can show, and its suffix; None for what is no picture."""
    suffix = next((name for start, name in _SHOWN.items() if data.startswith(start)), None)
    small = suffix is not None and len(data) <= MAX_BYTES
    if suffix and small and (suffix != "jpg" or is_shown_jpeg(data)) and _opens(data):
        return data, suffix
    jpeg = shrunk(data, MAX_SIDE_PX, quality=88)
    return None if jpeg is None else (jpeg, "jpg")


def _opens(data: bytes) -> bool:
    """Whether the header is that of a picture; a truncated one is shown as far as it goes."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return min(image.size) > 0
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
