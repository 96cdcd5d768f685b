"""A small build of named pictures, and what comes in of a file that somebody's tool wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.review.parse import ReadVotes
from emo8.review.vote_files import Asked, read_file

PATHS = ["cats/my cat.jpg", "cats/b.jpg", "dogs/b.jpg", "c.png", "d.png"]
IDS = {path: f"{k + 1:064x}" for k, path in enumerate(PATHS)}
Read = Callable[..., ReadVotes]


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder that holds five rows, like a build."""
    rows = tmp_path / "BUILD" / "rows"
    rows.mkdir(parents=True)
    table = pa.table(
        {
            "id": list(IDS.values()),
            "source": ["mine"] * 5,
            "source_path": PATHS,
            "source_url": [None, None, None, "https://Example.org:443/a/%7Ec.png?x=1#top", None],
        }
    )
    pq.write_table(table, rows / "part-00000.parquet")
    return tmp_path / "BUILD"


@pytest.fixture
def read(build: Path) -> Read:
    """Reads content as a file of that name."""

    def come_in(content: Any, name: str = "votes.json", **asked: Any) -> ReadVotes:
        path = build.parent / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            path.write_text(json.dumps(content))
        return read_file(build, path, Asked(**asked))

    return come_in


def said(found: ReadVotes) -> list[tuple[Any, ...]]:
    """(picture, kind, emotion or value) of every vote."""
    names = {key: path for path, key in IDS.items()}
    votes = found.votes.astype(object).where(found.votes.notna(), None)
    return [
        (names[vote["id"]], vote["kind"], vote["emotion"] or vote["style"] or vote["value"])
        for vote in votes.to_dict("records")
    ]
