"""Files that belong to a person, not to a build: where they lie."""

from __future__ import annotations

import os
from pathlib import Path


def own_file(variable: str, name: str) -> Path:
    """The path that an environment variable gives, else `~/.local/share/emo8/NAME`."""
    own = os.environ.get(variable)
    if own:
        return Path(own)
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "emo8" / name
