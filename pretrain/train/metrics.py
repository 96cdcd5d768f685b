"""RUN/metrics.jsonl: one JSON object per step, and one `{"resumed_from": step}` per resume."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emo8.engine.files import write_text

logger = logging.getLogger(__name__)


class MetricsLog:
    """Appends lines; each is complete on disk before the next step starts.

    Lines that a full disk refuses are kept and written when there is room.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[str] = []

    def write(self, line: dict[str, Any]) -> None:
        self._waiting.append(json.dumps(line) + "\n")
        size = self.path.stat().st_size if self.path.exists() else 0
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(self._waiting))
        except OSError as problem:
            if self.path.is_file():
                os.truncate(self.path, size)  # no half line
            if len(self._waiting) == 1:
                logger.warning("%s: %s; its lines wait in memory", self.path, problem.strerror)
            return
        self._waiting.clear()

    def rewind(self, step: int) -> None:
        """Drops lines of steps after `step`: they came after the checkpoint and are redone."""
        kept = [line for line in read_metrics(self.path) if line.get("step", 0) <= step]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics file; a last line cut off by a kill is left out."""
    if not path.exists():
        return []
    lines: list[dict[str, Any]] = []
    for text in path.read_text("utf-8").split("\n"):
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines


def rows_hash(ids: Sequence[str]) -> str:
    """Short hash of the row ids of a step, in their order."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]
