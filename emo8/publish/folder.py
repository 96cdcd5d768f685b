"""A release appears as a folder in one step, beside others who publish, read, or are killed.

The staged folder replaces the one before as `emo8/engine/folders.py` says. One publisher holds a
folder at a time.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from emo8.core.errors import BuildError, Emo8Error
from emo8.engine.folders import hidden, recover


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
    root = hidden(beside, "partial")
    root.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(hidden(beside, "lock"), timeout=0):
            recover(beside)
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
