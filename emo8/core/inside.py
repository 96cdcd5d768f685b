"""Names of files that somebody's data hold, and the file each one means: the one place for all.

A table, a sidecar or an image cell from outside may name anything. What it names is read only where
it lies inside the folder that the data belong to, links followed, and only where it is a plain
file: no device, no pipe that would never answer.
"""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

MAX_FILE_BYTES = 512 << 20  # of a picture that is read without a recipe's own cap


class OutsideError(ValueError):
    """A name that leads out of the data's folder, or to something that is no plain file."""


def find(name: str, *roots: Path) -> Path:
    """The file that `name` means below one of `roots`, in the spelling that lies there.

    Backslashes may part folders, and accents may be composed otherwise than on the disk.
    OutsideError where it leads elsewhere, FileNotFoundError where nothing lies there.
    """
    if "\0" in name:
        raise OutsideError(name)
    outside = not roots
    for root in roots:
        base = Path(os.path.realpath(root))
        for spelling in spellings(name):
            # realpath, as Path.resolve raises on links that lead to themselves
            path = Path(os.path.realpath(base / spelling))
            if not path.is_relative_to(base):
                outside = True
            elif os.path.lexists(path):
                return path
    if outside:
        raise OutsideError(name)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def find_plain(name: str, *roots: Path) -> Path:
    """As `find`; OutsideError also for what is no plain file: a pipe hangs whoever opens it."""
    path = find(name, *roots)
    if not stat.S_ISREG(path.stat().st_mode):
        raise OutsideError(name)
    return path


def plain_files(folder: Path, pattern: str) -> list[Path]:
    """The plain files of a folder that match, sorted; pipes and devices are passed over.

    `pattern` names files at one depth (`data/*/*.parquet`); for all depths see `files_below`.
    """
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def files_below(folder: Path) -> Iterator[Path]:
    """Whatever lies below a folder and is none itself, however deep, in any order.

    Folders that cannot be listed are passed over, and links to folders are not followed.
    """
    waiting = [str(folder)]
    while waiting:  # not recursive, as os.walk and rglob are: 1,000 folders deep they raise
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif not entry.is_dir():
                yield Path(entry.path)


def check_own_files(data: str, names: Iterable[str]) -> None:
    """OutsideError with the first file of a dataset that does not lie in it.

    `data` is a folder or a Hub id, `names` what `datasets` took from its card: a card may name any
    file of this machine, and any address.
    """
    folder = Path(data)
    for name in names:
        place = name.rsplit("::", 1)[-1]  # the outermost file of a chained name
        if folder.is_dir():
            find_plain(place, folder)
        elif not place.lower().startswith(f"hf://datasets/{data}@".lower()):
            raise OutsideError(name)


def spellings(name: str) -> Iterator[str]:
    """`name`, and the other ways in which the same name is written on other machines."""
    slashed = name.replace("\\", "/")
    shapes = (unicodedata.normalize(form, slashed) for form in ("NFC", "NFD"))
    yield from dict.fromkeys((name, slashed, *shapes))


def read_plain(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """At most `max_bytes` + 1 bytes of a plain file.

    OutsideError for what is no plain file, OSError for what cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe opens at once
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OutsideError(str(path))
        return file.read(max_bytes + 1)


def read(name: str, *roots: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes | None:
    """The bytes of the file that `name` means below one of `roots`; None where there are none."""
    try:
        data = read_plain(find(name, *roots), max_bytes)
    except (OSError, ValueError):
        return None
    return data if 0 < len(data) <= max_bytes else None


def cell_bytes(cell: Any, *roots: Path) -> bytes | None:
    """Encoded bytes of an image cell: bytes, a struct with bytes or path, a path, or one of them in
    a list; None for anything else, and for a path that leads out of `roots`."""
    if isinstance(cell, Sequence) and not isinstance(cell, str | bytes) and len(cell) == 1:
        cell = cell[0]
    if isinstance(cell, dict):
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, str):
        return read(cell, *roots) if cell else None
    return (cell or None) if isinstance(cell, bytes) else None


def roots_of(data: str, builder: str = "") -> tuple[Path, ...]:
    """The folders that pictures named by a dataset may lie in: its own.

    `builder` is the loader of `datasets` that read it. A loader of folders also names what it
    unpacked or downloaded itself; any other loader passes on what the data say.
    """
    path = Path(data)
    own = (path if path.is_dir() else path.parent,) if path.exists() else ()
    if builder not in ("imagefolder", "webdataset"):
        return own
    import datasets
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    unpacked = Path(datasets.config.EXTRACTED_DATASETS_PATH)
    if own:
        return (*own, unpacked)
    folder = repo_folder_name(repo_id=data, repo_type="dataset")
    return (Path(constants.HF_HUB_CACHE) / folder, unpacked)
