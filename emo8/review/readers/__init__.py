"""Readers of vote files, one module per tool: a new tool is one new module.

A module has `NAME` (for `--format`), `ABOUT` (what it is, said aloud), `recognises(file)` and
`read(file)`. Files are recognised by their content; the first module in the order of `RANK`
(default 0, highest first) that recognises one reads it.
"""

from __future__ import annotations

import importlib
import pkgutil
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from emo8.core.errors import Emo8Error
from emo8.review.readers.base import Answers, VoteFile


@lru_cache(maxsize=1)
def readers() -> dict[str, Any]:
    """The reader modules by name, in the order in which they are asked."""
    modules = [
        importlib.import_module(f"{__name__}.{info.name}")
        for info in pkgutil.iter_modules(__path__)
        if info.name != "base"
    ]
    modules = [module for module in modules if hasattr(module, "recognises")]
    modules.sort(key=lambda module: (-getattr(module, "RANK", 0), module.NAME))
    return {module.NAME: module for module in modules}


def read_answers(file: VoteFile, format: str = "") -> tuple[str, Answers]:
    """What a file is, and the answers in it; Emo8Error for one that nobody can read."""
    known = readers()
    if format and format not in known:
        near = get_close_matches(format, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise Emo8Error(f"--format {format!r}{hint} Known: {', '.join(known)}.")
    chosen = [known[format]] if format else [m for m in known.values() if m.recognises(file)]
    if not chosen:
        raise Emo8Error(
            f"vote file {file.path}: no tool's export was recognised in it; "
            f"--format says what it is: {', '.join(known)}"
        )
    return chosen[0].ABOUT, chosen[0].read(file)
