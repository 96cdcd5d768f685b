"""Links that gave no picture, counted by host and cause."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from emo8.core.errors import BuildError
from emo8.core.plain_text import cell
from emo8.web.links import host_of

REASONS = ("fetch_failed", "refused_address", "opt_out", "too_many_bytes", "not_an_image", "empty")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One line of the table."""

    host: str  # "" where the link names none
    reason: str  # a code of emo8/core/reasons.py
    cause: str
    links: int
    example: str  # the first such link


def count(lost: Iterable[dict[str, Any]]) -> list[Failure]:
    """The failures among rejected inputs (source_path, reason, detail), most frequent first."""
    counts: Counter[tuple[str, str, str]] = Counter()
    examples: dict[tuple[str, str, str], str] = {}
    for row in lost:
        if row["reason"] in REASONS:
            key = (host_of(row["source_path"]), row["reason"], row["detail"] or "")
            counts[key] += 1
            examples.setdefault(key, row["source_path"])
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        Failure(host=key[0], reason=key[1], cause=key[2], links=links, example=examples[key])
        for key, links in ranked
    ]


def of_build(build: Path, sources: Iterable[str]) -> list[Failure]:
    """The failures among a build's links; `sources` are the names of its lists."""
    path = build / "tables" / "rejected.parquet"
    if not path.exists():
        raise BuildError(f"{build} has no {path.name} yet: run `emo8 build` to its end first")
    columns = ["source", "source_path", "step", "reason", "detail"]
    names = set(sources)
    rows = pq.read_table(path, columns=columns).to_pylist()
    return count(row for row in rows if row["source"] in names and row["step"] == "ingest")


def as_csv(failures: list[Failure]) -> str:
    """The table as CSV."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["host", "reason", "cause", "links", "example"])
    table.writerows(map(cell, asdict(failure).values()) for failure in failures)
    return out.getvalue()
