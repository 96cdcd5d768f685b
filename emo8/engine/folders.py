"""Folders that appear in one step in place of the one before.

The new one is on the disk before the two swap names. Where a system cannot swap two names, there
are two renames, and whoever writes next puts back what a kill between them left (`recover`).
"""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

from emo8.engine.files import sync, sync_tree

_CWD, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux


def replace_folder(fresh: Path, folder: Path) -> None:
    """Let `fresh` appear as `folder`, in place of the one before, which is removed."""
    sync_tree(fresh)
    if not folder.exists():
        fresh.rename(folder)
    elif exchange(fresh, folder):
        shutil.rmtree(fresh, ignore_errors=True)
    else:
        old = hidden(folder, "old")
        folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    sync(folder.parent)


def exchange(one: Path, other: Path) -> bool:
    """Swap the names of two folders in one step; False where the system cannot."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    done: int = call(_CWD, os.fsencode(one), _CWD, os.fsencode(other), _EXCHANGE)
    return done == 0


def recover(folder: Path) -> None:
    """Finish what a kill between two renames left: the folder before comes back."""
    old = hidden(folder, "old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def hidden(folder: Path, what: str) -> Path:
    """The name beside a folder under which something of its own is kept."""
    return folder.with_name(f".{folder.name}.{what}")
