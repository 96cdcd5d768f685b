"""Writers of tasks for other tools, one module per tool: rows to vote on, which the tool opens.

A module has `NAME` (for `--format`), `SUFFIX` of its file, and `write(tasks, file, claims)`, which
returns what to do with the file. Every task carries the row's id, so that answers find home.
"""

from __future__ import annotations

import importlib
import pkgutil
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from emo8.core.errors import Emo8Error


@lru_cache(maxsize=1)
def writers() -> dict[str, Any]:
    """The writer modules by name."""
    modules = [
        importlib.import_module(f"{__name__}.{info.name}")
        for info in pkgutil.iter_modules(__path__)
        if info.name != "tasks"
    ]
    return {module.NAME: module for module in modules}


def writer(name: str) -> Any:
    """The writer for a tool; Emo8Error names the nearest one."""
    known = writers()
    if name not in known:
        near = get_close_matches(name, [*known, "csv"], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise Emo8Error(f"--format {name!r}{hint} Known: csv, {', '.join(known)}.")
    return known[name]
