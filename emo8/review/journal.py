"""Answers given in the browser: appended to a journal, one line each, on disk before the next one.

`BUILD/tables/answers/<batch>.jsonl` is written by one server, which holds its lock. Reading votes
reads journals too; `settle` moves those whose server has ended into the table of votes. A line
that a crash tore was never confirmed to anybody, and is passed over.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from emo8.core import schema

FOLDER = Path("tables") / "answers"


class Journal:
    """The journal of one server; safe for several people at once."""

    def __init__(self, build: Path) -> None:
        now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        self.batch = f"serve-{now}-{secrets.token_hex(2)}"
        folder = build / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{self.batch}.jsonl"
        self._lock = FileLock(_lock_of(self.path))
        self._lock.acquire()
        self._file = self.path.open("ab")
        self._one_at_a_time = threading.Lock()

    def append(self, record: dict[str, Any]) -> None:
        """Write one record; it is on the disk when this returns."""
        line = json.dumps(record, ensure_ascii=False) + "\n"
        with self._one_at_a_time:
            self._file.write(line.encode())
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
        self._lock.release()


def answer(row: str, annotator: str, consent: bool | None, votes: list[dict[str, Any]]) -> Any:
    """A record: everything that one person says about one picture."""
    time = datetime.now(UTC).replace(microsecond=0).isoformat()
    return {"id": row, "annotator": annotator, "consent": consent, "time": time, "votes": votes}


def records(path: Path) -> list[dict[str, Any]]:
    """The answers of a journal that stand: the last of each person to each picture, not undone."""
    standing: dict[tuple[str, str], dict[str, Any]] = {}
    for line in path.read_bytes().split(b"\n"):
        try:
            record = json.loads(line)
        except ValueError:  # the end, or torn by a crash
            continue
        key = (record["id"], record["annotator"])
        standing.pop(key, None)
        if record["votes"]:  # none: taken back
            standing[key] = record
    return list(standing.values())


def journals(build: Path) -> list[Path]:
    """The journals of a build, oldest first."""
    return sorted((build / FOLDER).glob("*.jsonl"))


def read(paths: list[Path], known: set[str]) -> pd.DataFrame:
    """The votes of journals but those whose batches are `known` already."""
    found = []
    for path in paths:
        if path.stem in known:
            continue
        for record in records(path):
            shared = {name: record[name] for name in ("id", "annotator", "consent")}
            shared |= {"time": pd.Timestamp(record["time"]), "batch": path.stem}
            found += [{**vote, **shared} for vote in record["votes"]]
    return pd.DataFrame(found, columns=schema.VOTES.names)


def settle(build: Path) -> None:
    """Move the answers of servers that have ended into the table; call it under the lock."""
    from emo8.review.votes import stored_votes, with_journals, write_votes

    ended = []
    for path in journals(build):
        lock = FileLock(_lock_of(path), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue  # its server is running
        ended.append((path, lock))
    if not ended:
        return
    stored = stored_votes(build)
    every = with_journals(stored, [path for path, _ in ended])
    if len(every) > len(stored):
        write_votes(build, every)
    for path, lock in ended:
        path.unlink()
        lock.release()
        _lock_of(path).unlink(missing_ok=True)


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")
