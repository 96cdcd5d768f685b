"""What earlier fetches brought, by link: packs of a killed run, and parts of `rows/`.

Parts whose place is another's now still have their pictures. Nothing is used that was fetched under
other rules.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.engine.files import read_columns
from emo8.engine.steps import ROWS, earlier
from emo8.web.download_log import SUFFIX, entries
from emo8.web.links import parse
from emo8.web.outcome import FetchFailed

MARK = b"emo8.fetch"  # in the metadata of a part of rows/: policy and round of its links
HASH_MISMATCH = "hash_mismatch"  # depends on the line, not on the link alone


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where the picture of a link lies, or why it has none: a row of the table in `fetched.py`."""

    file: str | None = None
    place: int | None = None
    size: int | None = None
    reason: str | None = None
    cause: str | None = None
    value: float | None = None


def mark(policy: str, round: int) -> dict[bytes, bytes]:
    """The metadata of a part whose links were fetched under `policy`."""
    return {MARK: json.dumps({"policy": policy, "round": round}).encode()}


class Store:
    """Finds links in the packs and parts of one build."""

    def __init__(self, build: Path, folder: Path) -> None:
        self.build, self.packs = build, folder / "packs"
        # parts: sorted hashes of links, and for each its file and row
        self.files: list[tuple[str, str, int]] = []  # path below the build, policy, round
        self.hashes = np.zeros(0, np.uint64)
        self.places = np.zeros((0, 2), np.int64)

    def index(self, parts: list[Path]) -> None:
        """Remember the links of these parts of rows/."""
        hashes, places = [self.hashes], [self.places]
        for path in parts:
            noted = _mark_of(path)
            if noted is None:
                continue
            self.files.append((str(path.relative_to(self.build)), noted["policy"], noted["round"]))
            links = [_key(link) for link in read_columns(path, ["source_path"])[0].to_pylist()]
            hashes.append(np.array(links, np.uint64))
            rows = np.arange(len(links))
            places.append(np.stack([np.full(len(links), len(self.files) - 1), rows], axis=1))
        together = np.concatenate(hashes)
        order = np.argsort(together, kind="stable")
        self.hashes, self.places = together[order], np.concatenate(places)[order]

    def find(self, wanted: dict[str, int], policy: str) -> dict[str, Location]:
        """Places of the wanted links (address -> least round of a failure), as far as known."""
        found = dict(self._in_packs(wanted, policy))
        for url, place in self._in_parts(wanted, policy):
            if url not in found or (place.reason is None and found[url].reason is not None):
                found[url] = place
        return found

    def _in_packs(self, wanted: dict[str, int], policy: str) -> Iterator[tuple[str, Location]]:
        best: dict[str, Location] = {}
        for path in sorted(self.packs.glob(f"*{SUFFIX}")):
            name = str(path.relative_to(self.build))
            for entry in entries(path):
                usable = entry.arrived or entry.round >= wanted.get(entry.url, 0)
                if entry.url not in wanted or entry.policy != policy or not usable:
                    continue
                if entry.arrived:
                    place = Location(file=name, place=entry.offset, size=entry.size)
                else:
                    place = Location(reason=entry.reason, cause=entry.cause, value=entry.value)
                if entry.url not in best or place.reason is None:
                    best[entry.url] = place
        yield from best.items()

    def _in_parts(self, wanted: dict[str, int], policy: str) -> Iterator[tuple[str, Location]]:
        keys = np.array([_hash(url) for url in wanted], np.uint64)
        low = np.searchsorted(self.hashes, keys, "left")
        high = np.searchsorted(self.hashes, keys, "right")
        by_file: dict[int, list[tuple[str, int]]] = {}
        for url, first, last in zip(wanted, low.tolist(), high.tolist()):
            for file, row in self.places[first:last].tolist():
                by_file.setdefault(file, []).append((url, row))
        names = ["source_path", "id", "ingest_reason", "ingest_value", "ingest_detail"]
        for file, hits in sorted(by_file.items()):
            name, its_policy, its_round = self.files[file]
            if its_policy != policy:
                continue
            columns = read_columns(self.build / name, names).to_pylist()
            for url, row in hits:
                known = columns[row]
                if _address(known["source_path"]) != url:
                    continue
                if known["id"] is not None:
                    yield url, Location(file=name, place=row)
                elif its_round >= wanted[url] and known["ingest_detail"] != HASH_MISMATCH:
                    yield (
                        url,
                        Location(
                            reason=known["ingest_reason"],
                            cause=known["ingest_detail"],
                            value=known["ingest_value"],
                        ),
                    )


def table(places: list[Location]) -> pa.Table:
    """The places of a part's links as the table that ingest reads."""
    from emo8.web.fetched import TABLE

    return pa.Table.from_pylist([vars(place) for place in places], schema=TABLE)


def rows_of(build: Path) -> list[Path]:
    """The parts of rows/, before them those of earlier runs that have no place any more."""
    parts = (build / ROWS).glob("part-*.parquet")
    return [*sorted(earlier(build, ROWS).glob("*.parquet")), *sorted(parts)]


def _mark_of(path: Path) -> dict[str, Any] | None:
    """Policy and round of a part of rows/ that was fetched; None for any other part."""
    try:
        noted = (pq.read_metadata(path).metadata or {}).get(MARK)
    except (OSError, pa.ArrowInvalid):
        return None
    return json.loads(noted) if noted else None


def _address(link: str) -> str | None:
    try:
        return parse(link).url
    except FetchFailed:
        return None


def _key(link: str) -> int:
    return _hash(_address(link) or "")


def _hash(url: str) -> int:
    return int.from_bytes(hashlib.blake2b(url.encode(), digest_size=8).digest(), "big")
