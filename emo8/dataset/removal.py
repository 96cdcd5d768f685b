"""The removal list: pictures that someone asked to have taken out, for every later build.

One JSON line per request, with what the picture is known by: the key as given, its hashes, its
address. The picture itself is not kept. The list belongs to the person who publishes, not to one
build: it lies in `EMO8_REMOVALS`, by default in the user's data folder, and every build and
publish on this account honours it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock

from emo8.core.addresses import comparable, quick_host
from emo8.core.errors import Emo8Error
from emo8.dataset.shards import list_shards, row_groups
from emo8.engine.build_folder import require_build
from emo8.engine.files import fingerprint, read_columns, write_text
from emo8.engine.own_files import own_file
from emo8.engine.steps import ROWS, part_path

LIST_VARIABLE = "EMO8_REMOVALS"
# A copy of a removed picture is one whose perceptual hash differs in at most this many of 64 bits.
# No second witness: when in doubt, the person who asked is right.
MAX_COPY_DISTANCE = 3
# Hashes with fewer bits set belong to blank pictures and say nothing about what is shown.
MIN_BITS_SET = 4
# Of a removed row, what a build keeps by table: names and hashes by which it is known again.
KEPT: dict[str, tuple[str, ...]] = {
    ROWS: ("id", "source", "source_path", "source_url", "license", "split_source",
           "ingest_reason", "ingest_value", "ingest_detail"),
    "measure": ("decode_reason", "decode_value", "pixel_sha256", "phash"),
}  # fmt: skip
_NAMES = ("id", "pixel_sha256", "source_url", "source_path")
_SHA256 = re.compile(r"\s*[0-9a-fA-F]{64}\s*")
_HEX = re.compile(r"[0-9a-f]{16}|[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Removal:
    """One request."""

    key: str  # as given: a row's id, an address, or a hash
    reason: str
    ids: tuple[str, ...] = ()  # SHA-256 of files, as received or as published
    pixels: tuple[str, ...] = ()  # SHA-256 of decoded pixels
    phashes: tuple[str, ...] = ()  # perceptual hashes, 16 hex digits
    urls: tuple[str, ...] = ()


def list_path() -> Path:
    """Where the list lies: `EMO8_REMOVALS`, else `~/.local/share/emo8/removals.jsonl`."""
    return own_file(LIST_VARIABLE, "removals.jsonl")


def load(path: Path | None = None) -> list[Removal]:
    """All requests; Emo8Error names a line that cannot be read, so that none is overlooked."""
    path = path or list_path()
    if not path.exists():
        return []
    removals = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
            lists = {k: tuple(v) for k, v in content.items() if isinstance(v, list)}
            removals.append(Removal(**{**content, **lists}))
        except (ValueError, TypeError, AttributeError) as error:
            raise Emo8Error(f"{path} line {number} is no removal: {error}; mend it") from None
    return removals


def list_fingerprint(removals: list[Removal]) -> str:
    """Hash of the requests: equal lists give equal datasets."""
    return fingerprint([asdict(removal) for removal in removals])


def add(key: str, reason: str, builds: list[Path], path: Path | None = None) -> Removal:
    """Put one picture on the list, with all that these builds know of it."""
    if not reason.strip():
        raise Emo8Error("a removal needs a --reason: it is kept with the request")
    path = path or list_path()
    found = [_known(key, build) for build in builds]
    removal = _with(Removal(key=key, reason=reason), found)
    with _changing(path):
        removals = load(path)
        if removal not in removals:
            _save(path, [*removals, removal])
    return removal


def learn(build: Path, path: Path | None = None) -> list[Removal]:
    """All requests; those that name a published file are completed from what `build` published.

    Only the shards tie the hash of a published file to its row, and without the row they forget
    it: the row's own hashes are noted in the list.
    """
    path = path or list_path()
    removals = load(path)
    unknown = {_normal(one.key) for one in removals if not one.ids and _SHA256.fullmatch(one.key)}
    found = {key: _known(key, build) for key in _published(build) & unknown}
    if not found:
        return removals
    with _changing(path):
        complete = [
            _with(one, [found[key]]) if (key := _normal(one.key)) in found else one
            for one in load(path)
        ]
        _save(path, complete)
    return complete


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Hold the list: whoever else wants to change it waits; the lock dies with its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield


def _save(path: Path, removals: list[Removal]) -> None:
    lines = [json.dumps(asdict(removal), ensure_ascii=False) for removal in removals]
    write_text(path, "\n".join(lines) + "\n")


def _with(removal: Removal, found: list[dict[str, set[str]]]) -> Removal:
    """A request with what builds know of its picture."""
    return replace(
        removal,
        ids=_joined(found, "ids"),
        pixels=_joined(found, "pixels"),
        phashes=_joined(found, "phashes"),
        urls=_joined(found, "urls"),
    )


def _published(build: Path) -> set[str]:
    """The hashes of the picture files in a build's dataset."""
    shards = [build / "dataset" / shard.name for shard in list_shards(build / "dataset")]
    columns = [read_columns(path, ["published_sha256"])[0] for path in shards]
    return {digest for column in columns for digest in column.to_pylist() if digest}


class Matcher:
    """Finds removed pictures among rows."""

    def __init__(self, removals: list[Removal]) -> None:
        self.keys: dict[str, str] = {}
        self.hosts: set[str] = set()  # of the addresses among them
        phashes: set[str] = set()
        for removal in removals:
            for key in (removal.key, *removal.ids, *removal.pixels, *removal.urls):
                self.keys[_normal(key)] = removal.key
                if "://" in key:
                    self.hosts.add(comparable(key).partition("/")[0].partition(":")[0])
            phashes.update(removal.phashes)
            if re.fullmatch(r"[0-9a-f]{16}", removal.key):
                phashes.add(removal.key)
        self.phashes = np.array(sorted(int(text, 16) for text in phashes), np.uint64)

    def exact(self, *columns: pa.ChunkedArray | list[str | None]) -> np.ndarray:
        """(N,) bool: rows one of whose values (ids, hashes, addresses) is on the list."""
        hits = np.zeros(len(columns[0]), bool)
        for column in columns if self.keys else ():
            pieces = (
                (chunk.to_pylist() for chunk in column.chunks)
                if isinstance(column, pa.ChunkedArray)
                else [column]
            )
            hits |= np.fromiter((self._holds(value) for piece in pieces for value in piece), bool)
        return hits

    def any_of(self, column: Iterable[Iterable[str | None]]) -> np.ndarray:
        """(N,) bool: rows one of whose several addresses is on the list."""
        return np.fromiter((any(map(self._holds, values)) for values in column), bool)

    def _holds(self, value: str | None) -> bool:
        if not isinstance(value, str):
            return False
        if "://" in value and (host := quick_host(value)) is not None and host not in self.hosts:
            return False  # normal forms are not had for nothing
        return _normal(value) in self.keys

    def copies(self, phash: np.ndarray, extra: np.ndarray | None = None) -> np.ndarray:
        """(N,) least bits between each (N,) uint64 hash and a removed one; 65 = none on the list.

        `extra` are hashes of further removed pictures, found among the rows themselves.
        """
        least = np.full(len(phash), 65, np.int64)
        removed = self.phashes if extra is None else np.union1d(self.phashes, extra)
        for one in removed[np.bitwise_count(removed) >= MIN_BITS_SET]:
            least = np.minimum(least, np.bitwise_count(phash ^ one))
        return least


def removed_rows(rows: Callable[[], Iterable[pa.Table]], removals: list[Removal]) -> pa.Table:
    """`n` of every row on the list and every near copy of one, and how many `bits` it is from it.

    `rows()` gives all rows piece by piece, as often as asked: n, id, pixel_sha256, source_url,
    source_path and phash (uint64, null = no picture). `bits` is null where the hash says nothing.
    """
    bits: dict[int, float | None] = {}
    hashes = [np.empty(0, np.uint64)]
    matcher = Matcher(removals)
    for piece in rows() if removals else ():
        hit = piece.filter(pa.array(matcher.exact(*(piece[name] for name in _NAMES))))
        bits.update(dict.fromkeys(hit["n"].to_pylist()))
        hashes.append(hit["phash"].drop_null().to_numpy())
    for piece in rows() if removals else ():
        hashed = piece.filter(piece["phash"].is_valid())
        distance = matcher.copies(hashed["phash"].to_numpy(), np.concatenate(hashes))
        near = distance <= MAX_COPY_DISTANCE
        bits.update(zip(hashed["n"].to_numpy()[near].tolist(), distance[near].tolist()))
    columns = [list(bits), list(bits.values())]
    return pa.table(columns, schema=pa.schema([("n", pa.int64()), ("bits", pa.float64())]))


def paths_of(key: str, build: Path) -> list[str]:
    """Where the rows of a build that `key` names came from: path in the source, or address."""
    entries = _rows_named(key, build)
    return [str(one["source_path"] or one["source_url"] or one["id"]) for one in entries]


def _known(key: str, build: Path) -> dict[str, set[str]]:
    """What a build knows of the picture called `key`: hashes and addresses of every match."""
    found: dict[str, set[str]] = {"ids": set(), "pixels": set(), "phashes": set(), "urls": set()}
    for entry in _rows_named(key, build):
        found["ids"] |= {entry["id"]} - {None}
        found["pixels"] |= {entry["pixel_sha256"]} - {None}
        found["urls"] |= {entry["source_url"]} - {None}
        if entry["phash"] is not None:
            found["phashes"].add(f"{entry['phash']:016x}")
    return found


def _rows_named(key: str, build: Path) -> Iterator[dict[str, Any]]:
    """The names and hashes of every row of a build that `key` names."""
    require_build(build)
    matcher = Matcher([Removal(key=key, reason="", ids=tuple(_published_as(key, build)))])
    for path in sorted((build / ROWS).glob("part-*.parquet")):
        part = int(path.stem.removeprefix("part-"))
        rows = read_columns(path, ["id", "source_url", "source_path"])
        measured = read_columns(part_path(build, "measure", part), ["pixel_sha256", "phash"])
        columns = (rows["id"], rows["source_url"], rows["source_path"], measured["pixel_sha256"])
        for row in np.flatnonzero(matcher.exact(*columns)).tolist():
            yield {**rows.slice(row, 1).to_pylist()[0], **measured.slice(row, 1).to_pylist()[0]}


def _published_as(key: str, build: Path) -> list[str]:
    """The id of the row whose published file has the hash `key`."""
    if not re.fullmatch(r"[0-9a-f]{64}", _normal(key)):
        return []
    root, ids = build / "dataset", []
    for shard in list_shards(root):
        for table in row_groups(root / shard.name, ["id", "published_sha256"]):
            same = pc.equal(table["published_sha256"], _normal(key))
            ids += table.filter(same)["id"].to_pylist()
    return ids


def _joined(found: list[dict[str, set[str]]], what: str) -> tuple[str, ...]:
    return tuple(sorted(set().union(*(item[what] for item in found))))


def _normal(key: str) -> str:
    """Hashes in lower case; one form for all spellings of an address."""
    text = key.strip()
    if _HEX.fullmatch(text.lower()):
        return text.lower()
    return comparable(text) if "://" in text else text
