"""Files whose checksum agreed, by inode, size and time: they are not read again to find nothing.

Who changes a file changes its time. Bits that rot on the disk do not: so what a run reads to decide
is checked whatever is written here, `publish` reads all that it sends, and `status --check`
everything. Whoever finds a damaged file gives it another time (`files.doubt`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from emo8.engine.build_folder import read_json
from emo8.engine.files import write_text

NAME = "trusted.json"  # in the build


class Trust:
    """What the record of a build says; an empty one where it is damaged."""

    def __init__(self, build: Path) -> None:
        self.build = build
        self.seen: dict[str, list[int]] = (read_json(build / NAME) or {}).get("files", {})

    def holds(self, path: Path) -> bool:
        """Whether a file is as it was when its checksum agreed."""
        return self.seen.get(str(path.relative_to(self.build))) == _identity(path)

    def save(self, paths: Iterable[Path]) -> None:
        """Write down that these files are as they were written."""
        files = {str(path.relative_to(self.build)): _identity(path) for path in paths}
        write_text(self.build / NAME, json.dumps({"files": files}) + "\n")


def _identity(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_ino, status.st_size, status.st_mtime_ns]
