"""Rows to vote on, with a picture that a tool can show: its address, or a file beside the tasks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from emo8.core.images import decode
from emo8.engine.files import read_columns
from emo8.engine.steps import ROWS, part_path

_SHOWN = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}  # by every browser
_LINKS = ("http://", "https://")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One row to vote on."""

    id: str
    picture: str  # address, or path of a file from the folder of the tasks
    size: tuple[int, int]  # width and height in pixels; zeros where it is an address
    style: str | None
    emotion: str | None  # CLIP's most likely one; None where it claims nothing
    prob: float  # and its probability

    @property
    def is_link(self) -> bool:
        return self.picture.startswith(_LINKS)


def pictures_folder(file: Path) -> Path:
    """Where the pictures of an export lie that have no address."""
    return file.with_name(f"{file.stem}_pictures")


def tasks_of(build: Path, rows: pd.DataFrame, file: Path, *, links: bool) -> Iterator[Task]:
    """A task per row; pictures without an address go to `<file>_pictures/`, named by their id.

    With `links` a row's own address on the web is used where it has one.
    """
    folder = pictures_folder(file)
    loaded: tuple[int, object] = (-1, None)
    for row in rows.to_dict("records"):
        link = row.get("source_url")
        size, picture = (0, 0), str(link)
        if not (links and isinstance(link, str) and link.startswith(_LINKS)):
            if loaded[0] != row["part"]:
                path = part_path(build, ROWS, row["part"])
                loaded = (row["part"], read_columns(path, ["image"]).column("image"))
            data = loaded[1][row["row"]]["bytes"].as_py()  # type: ignore[index]
            picture, size = _write_picture(data, row["id"], folder)
        yield Task(
            id=row["id"], picture=picture, size=size, style=row["style"],
            emotion=row["emotion_clip"], prob=round(float(row["clip_prob"]), 4),
        )  # fmt: skip


def _write_picture(data: bytes, row: str, folder: Path) -> tuple[str, tuple[int, int]]:
    """Write a picture as it was received, or as JPEG where browsers do not show its format."""
    folder.mkdir(parents=True, exist_ok=True)
    decoded = decode(data)
    suffix = _SHOWN.get(decoded.format)
    if suffix is None:
        out = io.BytesIO()
        Image.fromarray(decoded.rgb).save(out, "JPEG", quality=95)
        data, suffix = out.getvalue(), "jpg"
    path = folder / f"{row}.{suffix}"
    path.write_bytes(data)
    height, width = decoded.rgb.shape[:2]
    return f"{folder.name}/{path.name}", (width, height)
