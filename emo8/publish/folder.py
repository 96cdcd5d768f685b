"""A release appears as a folder in one step, beside others who publish, read, or are killed.

The staged folder is on the disk before it swaps names with the one before. Where a system cannot
swap two names, there are two renames, and the next publisher puts back what a kill between them
left. One publisher holds a folder at a time.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from emo8.core.errors import BuildError, Emo8Error
from emo8.engine.files import sync, sync_tree

_CWD, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux


def target(folder: Path, build: Path) -> Path:
    """Where `--to` leads, links followed; Emo8Error for a place that must not be replaced whole."""
    place, build = folder.resolve(), build.resolve()
    if place == Path.cwd() or place in Path.cwd().parents:
        raise Emo8Error(
            f"--to {folder}: a release replaces its folder, and you are in it; name a new folder"
        )
    if place == build or place in build.parents or build in place.parents:
        raise Emo8Error(f"--to {folder}: keep releases outside of the build {build}")
    return place


@contextmanager
def staging(beside: Path) -> Iterator[Path]:
    """An empty hidden folder next to `beside`, removed afterwards; BuildError while another
    publisher holds it. What a killed publisher left is put in order first."""
    root = _hidden(beside, "partial")
    root.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(_hidden(beside, "lock"), timeout=0):
            _recover(beside)
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            try:
                yield root
            finally:
                shutil.rmtree(root, ignore_errors=True)
    except Timeout:
        raise BuildError(
            f"another process is publishing to {beside}; wait for it, or give another folder"
        ) from None


def replace_folder(root: Path, folder: Path) -> None:
    """Let the staged release appear as `folder`, in place of the one before."""
    sync_tree(root)
    if not folder.exists():
        root.rename(folder)
    elif not exchange(root, folder):
        folder.rename(_hidden(folder, "old"))
        root.rename(folder)
        shutil.rmtree(_hidden(folder, "old"), ignore_errors=True)
    sync(folder.parent)


def exchange(one: Path, other: Path) -> bool:
    """Swap the names of two folders in one step; False where the system cannot."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    done: int = call(_CWD, os.fsencode(one), _CWD, os.fsencode(other), _EXCHANGE)
    return done == 0


def _recover(folder: Path) -> None:
    """Finish what a kill between two renames left: the release before comes back."""
    old = _hidden(folder, "old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _hidden(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}")
