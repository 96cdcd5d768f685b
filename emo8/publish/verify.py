"""Whether a published dataset is what it says: `emo8 verify`.

Every picture against its published hash, every file against the manifest, all rows against the
root, counts against the card, splits against copies in two of them, licences against the list.
A folder is read as it is; a dataset on the Hub is downloaded, or read as a stream.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.errors import Emo8Error
from emo8.core.images import DEFAULT_MAX_PIXELS, DecodeError, decode
from emo8.core.licenses import hub_id, may_redistribute
from emo8.dataset.shards import README, RELEASE, all_files, list_shards, sha256
from emo8.engine.build_folder import read_json
from emo8.publish import cardyaml
from emo8.publish.merkle import Tree, row_hash

_MOST_PIXELS = 5 * DEFAULT_MAX_PIXELS  # of a picture, whatever its row says: 12 bytes each
_ROOT = re.compile(r"Root of all rows: `([0-9a-f]{64})`")


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What held and what did not."""

    rows: int
    pictures: int
    root: str
    problems: list[str]


@dataclass(kw_only=True)
class _Seen:
    """What one shard, or all of them, came to."""

    hashes: list[tuple[str, str]] = field(default_factory=list)  # id, row hash
    clusters: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # -> splits
    pixels: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    licenses: set[str | None] = field(default_factory=set)
    splits: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    pictures: int = 0
    problems: list[str] = field(default_factory=list)

    def merge(self, other: _Seen) -> None:
        self.hashes += other.hashes
        self.licenses |= other.licenses
        self.pictures += other.pictures
        self.problems += other.problems
        for mine, theirs in ((self.clusters, other.clusters), (self.pixels, other.pixels)):
            for key, splits in theirs.items():
                mine[key] |= splits
        for split, rows in other.splits.items():
            self.splits[split] += rows


Open = Callable[[str], Any]  # the name of a shard -> an open file
_Task = tuple[str, pq.FileMetaData, range]  # a shard, its footer, some of its row groups
_AT_A_TIME = 8  # row groups


def verify(folder: Path) -> Verified:
    """Check a published folder, or a snapshot of one."""
    notes = _notes(folder)
    problems = _manifest_problems(folder, notes)
    shards = [shard.name for shard in list_shards(folder)]
    seen = _read(shards, lambda name: (folder / name).open("rb"))
    problems += [f"{README}: {problem}" for problem in cardyaml.check(folder)]
    return _verified(folder, notes, seen, problems)


def verify_stream(repo: str, revision: str) -> Verified:
    """Check a dataset on the Hub without keeping its shards: sizes and hashes as the Hub states
    them, rows and pictures as it serves them."""
    from huggingface_hub import HfApi, HfFileSystem, snapshot_download

    from emo8.publish import hub

    api = HfApi()
    with hub.hub_errors(repo):
        folder = Path(
            snapshot_download(
                repo, repo_type="dataset", revision=revision, allow_patterns=[README, RELEASE]
            )
        )
        notes = _notes(folder)
        there = {entry.path: entry for entry in hub.tree(api, repo, revision)}
        system = HfFileSystem(endpoint=api.endpoint, skip_instance_cache=True)
        names = sorted(name for name in notes["files"] if name.startswith("data/"))
        seen = _read(names, lambda name: system.open(f"datasets/{repo}@{revision}/{name}", "rb"))
    problems = [f"{name} is missing" for name in notes["files"] if name not in there]
    problems += [
        f"{name} is not the file that {RELEASE} names"
        for name, entry in notes["files"].items()
        if name in there and not _same(there[name], entry)
    ]
    return _verified(folder, notes, seen, problems)


def prove(folder: Path, key: str) -> dict[str, Any]:
    """A proof that the row `key` is in a published folder, or that it is not."""
    notes = _notes(folder)
    seen = _read([shard.name for shard in list_shards(folder)],
                 lambda name: (folder / name).open("rb"), pictures=False)  # fmt: skip
    return {"dataset": notes["name"], "version": notes["version"], **Tree(seen.hashes).prove(key)}


def rows_root(folder: Path) -> str:
    """The root of all rows of a dataset folder."""
    names = [shard.name for shard in list_shards(folder)]
    return Tree(_read(names, lambda name: (folder / name).open("rb"), pictures=False).hashes).root


@contextmanager
def opened(data: str) -> Iterator[Path]:
    """The folder of a dataset: a folder, or `user/name[@TAG]` downloaded from the Hub."""
    if Path(data).is_dir():
        yield Path(data)
        return
    from emo8.publish import hub

    repo, _, revision = data.partition("@")
    if repo.count("/") != 1 or data.startswith((".", "/", "~")):
        raise Emo8Error(f"{data}: no such folder, and not a dataset on the Hub (user/name[@TAG])")
    yield hub.download(repo, revision or "main")


def _notes(folder: Path) -> dict[str, Any]:
    notes = read_json(folder / RELEASE)
    if notes is None or "files" not in notes:
        raise Emo8Error(f"{folder} holds no {RELEASE}: only what emo8 published can be verified")
    return notes


def _manifest_problems(folder: Path, notes: dict[str, Any]) -> list[str]:
    found, named = set(all_files(folder)) - {RELEASE}, notes["files"]
    problems = [f"{name} is missing" for name in sorted(set(named) - found)]
    problems += [f"{name} is not in {RELEASE}" for name in sorted(found - set(named))]
    both = sorted(found & set(named))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        digests = pool.map(lambda name: sha256(folder / name), both)
        for name, digest in zip(both, digests, strict=True):
            if digest != named[name]["sha256"]:
                problems.append(f"{name} has another hash than {RELEASE} says")
    return problems


def _same(entry: Any, named: dict[str, Any]) -> bool:
    """Whether a file on the Hub has the size, and a large one the hash, that the notes name."""
    if entry.size != named["bytes"]:
        return False
    return entry.lfs is None or bool(entry.lfs.sha256 == named["sha256"])


def _read(names: list[str], open_file: Open, *, pictures: bool = True) -> _Seen:
    """What all shards say, some row groups at a time; decoding and hashing free the GIL."""
    seen, tasks = _Seen(), list[_Task]()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        footers = pool.map(lambda name: _footer(name, open_file), names)
        for name, footer in zip(names, footers, strict=True):
            if isinstance(footer, str):
                seen.problems.append(footer)
                continue
            groups = range(footer.num_row_groups)
            tasks += [(name, footer, groups[at : at + _AT_A_TIME]) for at in groups[::_AT_A_TIME]]
        for one in pool.map(lambda task: _groups(task, open_file, pictures), tasks):
            seen.merge(one)
    seen.problems = list(dict.fromkeys(seen.problems))
    return seen


def _footer(name: str, open_file: Open) -> pq.FileMetaData | str:
    """The footer of a shard, or why there is none."""
    try:
        with open_file(name) as file:
            return pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        return _unreadable(name, error)


def _groups(task: _Task, open_file: Open, pictures: bool) -> _Seen:
    """What some row groups of a shard say."""
    (name, footer, groups), seen = task, _Seen()
    split = Path(name).stem.rpartition("-")[0]
    try:
        with open_file(name) as file, pq.ParquetFile(file, metadata=footer) as parquet:
            columns = [c for c in parquet.schema_arrow.names if pictures or c != "image"]
            for group in groups:
                for row in parquet.read_row_group(group, columns=columns).to_pylist():
                    _row(row, name, split, pictures, seen)
    except (OSError, pa.ArrowException, KeyError) as error:
        seen.problems.append(_unreadable(name, error))
    return seen


def _unreadable(name: str, error: Exception) -> str:
    return f"{name} cannot be read: {str(error).splitlines()[0]}"


def _row(row: dict[str, Any], name: str, split: str, pictures: bool, seen: _Seen) -> None:
    key = row["id"]
    seen.hashes.append((key, row_hash(row)))
    seen.splits[split] += 1
    seen.clusters[row["cluster"]].add(split)
    seen.pixels[row["pixel_sha256"]].add(split)
    seen.licenses.add(row["license"])
    image = row.get("image")
    if not pictures or image is None:
        return
    seen.pictures += 1
    data, place = image["bytes"], f"{key[:12]} in {name}"
    if hashlib.sha256(data).hexdigest() != row["published_sha256"]:
        seen.problems.append(f"the picture of {place} has another hash than the row says")
        return
    try:
        claimed = min(_MOST_PIXELS, row["width"] * row["height"])
        decoded = decode(data, max_pixels=max(DEFAULT_MAX_PIXELS, claimed))
    except DecodeError as error:
        seen.problems.append(f"the picture of {place} does not decode: {error}")
        return
    if (decoded.width, decoded.height) != (row["width"], row["height"]):
        seen.problems.append(f"the picture of {place} has another size than the row says")
    if not may_redistribute(row["license"]):
        seen.problems.append(f"{place} holds a picture that {row['license']!r} keeps back")


def _agreement(folder: Path, notes: dict[str, Any], seen: _Seen, root: str) -> list[str]:
    """Rows against the root, the card's counts, the other splits and the list of licences."""
    problems, ids = [], [key for key, _ in seen.hashes]
    problems += [f"{key} is there twice" for key, n in Counter(ids).items() if n > 1]
    for what, places in (("cluster", seen.clusters), ("picture", seen.pixels)):
        torn = sorted(key for key, splits in places.items() if len(splits) > 1)
        problems += [f"{what} {key[:12]} lies in more than one split" for key in torn]
    text = (folder / README).read_text(encoding="utf-8") if (folder / README).is_file() else ""
    said = _ROOT.search(text)
    for where, value in ((RELEASE, notes.get("root")), (README, said[1] if said else None)):
        if value != root:
            problems.append(f"{where} names another root of all rows: {value}, the rows {root}")
    if notes["rows"] != len(ids):
        problems.append(f"{len(ids)} rows in the shards, {notes['rows']} in {RELEASE}")
    return problems + _card_problems(text, seen)


def _card_problems(text: str, seen: _Seen) -> list[str]:
    try:
        card = cardyaml.read_front_matter(text)
        info = next(i for i in card["dataset_info"] if i["config_name"] == "default")
    except (ValueError, KeyError, StopIteration):
        return [f"{README} has no YAML block that counts the rows"]
    counts = {split["name"]: split["num_examples"] for split in info["splits"]}
    problems = [] if counts == dict(seen.splits) else [f"the card counts {counts}"]
    declared = card.get("license") or []
    declared = {declared} if isinstance(declared, str) else set(declared)
    found = {hub_id(license) if license else "unknown" for license in seen.licenses}
    missing = found - declared - {"unknown", "other"}
    return problems + [f"licence {name} of rows is not in the card" for name in sorted(missing)]


def _verified(folder: Path, notes: dict[str, Any], seen: _Seen, problems: list[str]) -> Verified:
    root = Tree(seen.hashes).root
    every = [*seen.problems, *problems, *_agreement(folder, notes, seen, root)]
    return Verified(rows=len(seen.hashes), pictures=seen.pictures, root=root, problems=every)
