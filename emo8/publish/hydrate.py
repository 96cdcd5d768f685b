"""Completes a dataset that was published without (some of) its pictures, from their addresses.

Every picture is checked: the SHA-256 of what arrives must be the row's `id`. Requests for removal
on this account's list are honoured. What cannot be had stays empty and is named in `hydrate.csv`.
The result is for use here: the licences are those for which the publisher passed no pictures on.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emo8.core import schema
from emo8.core.errors import Emo8Error
from emo8.core.images import DecodeError, decode
from emo8.core.label_set import LabelSet
from emo8.core.plain_text import cell
from emo8.core.settings import FetchConfig
from emo8.dataset import layout
from emo8.dataset.published_picture import publishable, suffix
from emo8.dataset.removal import MAX_COPY_DISTANCE, Matcher, Removal
from emo8.dataset.shards import CHANGELOG, LABELS, README, VOTES, labels_of, list_shards
from emo8.engine.files import parquet_writer, write_text
from emo8.measure.filters.base import prepare, square_hash
from emo8.publish import cardyaml
from emo8.publish.gate import copy_addresses
from emo8.web.build_fetch import WINDOW_LINKS, manners, policy
from emo8.web.download_log import read_picture
from emo8.web.img2dataset_run import Rules, Workers, fetch_links
from emo8.web.links import parse
from emo8.web.outcome import FetchFailed
from emo8.web.store import Location, Store

REPORT = "hydrate.csv"
NOTICE = (
    "> Completed by `emo8 hydrate`: pictures that this dataset's publisher gave as addresses were "
    "fetched from there and checked by hash. Their licences may forbid passing this copy on.\n"
)
_LOOKED_AT = ["id", "source_url", "pixel_sha256", "cluster", "published_sha256", "also_from"]
_KEYS = ("id", "pixel_sha256", "source_url", "cluster", "published_sha256")


@dataclass(frozen=True, kw_only=True)
class Hydrated:
    """What a hydration came to."""

    rows: int
    had: int  # rows that had their picture already
    filled: int
    lost: dict[str, int]  # reason -> rows that stay without


class Hydration:
    """One dataset folder, completed into another."""

    def __init__(
        self,
        data: Path,
        out: Path,
        *,
        config: FetchConfig,
        removals: list[Removal],
        allow_networks: tuple[str, ...] = (),
        max_bytes: int = 50_000_000,
        max_pixels: int = 100_000_000,
        processes: int = 0,
    ) -> None:
        if out.exists() and any(out.iterdir()):
            raise Emo8Error(f"{out} is not empty; give a new folder with -o")
        self.data, self.out, self.config = data, out, config
        self.matcher = Matcher(removals)
        self.max_pixels = max_pixels
        self.crew = Workers(processes=processes or os.cpu_count() or 1)
        own = policy(config, max_bytes, allow_networks)
        self.rules = Rules(
            manners=manners(config, max_bytes),
            allow_networks=allow_networks,
            policy=own,
            threads=config.threads,
        )
        self.work = out.with_name(f".{out.name}.partial")  # a killed run goes on from here
        self.store = Store(self.work, self.work / "fetch")
        self.lost: list[tuple[str, str, str, str]] = []  # id, address, reason, cause
        self.removed: set[str] = set()  # ids of rows that left
        self.counts: Counter[str] = Counter()

    def run(self) -> Hydrated:
        """Write the completed dataset; it appears whole or not at all."""
        files = self._files()
        target = self.work / "dataset"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for window in self._windows(files):
            found = self._fetch(window)
            for name in window:
                self._complete(name, found, target)
        self._write_beside(target)
        if self.out.exists():
            self.out.rmdir()
        target.rename(self.out)
        shutil.rmtree(self.work)
        return Hydrated(
            rows=self.counts["rows"],
            had=self.counts["had"],
            filled=self.counts["filled"],
            lost=dict(Counter(reason for _, _, reason, _ in self.lost).most_common()),
        )

    def _files(self) -> list[str]:
        """The parquet files to complete: shards of pictures, else the rows without pictures."""
        names = [shard.name for shard in list_shards(self.data)]
        names = names or sorted(f"{LABELS}/{p.name}" for p in self.data.glob(f"{LABELS}/*.parquet"))
        if not names:
            raise Emo8Error(
                f"{self.data} holds no data/<style>/*.parquet and no {LABELS}/*.parquet: give the "
                "folder of a dataset that emo8 published, or its name on the Hub"
            )
        for name in names:
            lacking = set(_LOOKED_AT) - set(pq.read_schema(self.data / name).names)
            if lacking:
                raise Emo8Error(f"{self.data / name} has no column {sorted(lacking)[0]!r}")
        return names

    def _windows(self, names: list[str]) -> Iterator[list[str]]:
        window: list[str] = []
        num_links = 0
        for name in names:
            window.append(name)
            num_links += int(self._needed(name, self._narrow(name)).sum())
            if num_links >= WINDOW_LINKS:
                yield window
                window, num_links = [], 0
        if window:
            yield window

    def _needed(self, name: str, table: pa.Table) -> np.ndarray:
        """(N,) bool: rows whose picture is not there; in files without pictures all of them."""
        if "image" not in pq.read_schema(self.data / name).names:
            return np.ones(len(table), bool)
        return np.asarray(table["published_sha256"].is_null())

    def _narrow(self, name: str) -> pa.Table:
        return pq.read_table(self.data / name, columns=_LOOKED_AT)

    def _fetch(self, names: list[str]) -> dict[str, Location]:
        wanted: dict[str, int] = {}
        for name in names:
            table = self._narrow(name)
            removed = self.matcher.exact(*(table[key] for key in _KEYS))
            removed |= self.matcher.any_of(copy_addresses(table["also_from"]))
            for row in np.flatnonzero(self._needed(name, table) & ~removed).tolist():
                url = _address(table["source_url"][row].as_py())
                if url:
                    wanted[url] = 0
        if not wanted:
            return {}
        folder = self.work / "fetch"
        return fetch_links(
            wanted, rules=self.rules, folder=folder, store=self.store, crew=self.crew
        )

    # --- one file ----------------------------------------------------------------------------

    def _complete(self, name: str, found: dict[str, Location], target: Path) -> None:
        """Write one file with its pictures, row group by row group."""
        labels = labels_of(self.data)
        metadata = schema.published_metadata(labels)
        wide = schema.published_schema().with_metadata(metadata)
        writers: dict[str, pq.ParquetWriter] = {}
        options = layout.parquet_options(wide)
        with ExitStack() as files, pq.ParquetFile(self.data / name) as file:
            for group in range(file.metadata.num_row_groups):
                by_file = defaultdict(list)
                for row in file.read_row_group(group).to_pylist():
                    filled = self._filled(row, found)
                    if filled is not None:
                        by_file[_target_name(name, row, labels)].append(filled)
                for place, rows in by_file.items():
                    if place not in writers:
                        writer = parquet_writer(target / place, wide, **options)
                        writers[place] = files.enter_context(writer)
                    writers[place].write_table(pa.Table.from_pylist(rows, schema=wide))

    def _filled(self, row: dict[str, Any], found: dict[str, Location]) -> dict[str, Any] | None:
        """A row with its picture, or as it was, its loss noted; None where it must go."""
        self.counts["rows"] += 1
        image = row.get("image")
        if self._is_removed(row, image["bytes"] if image else None):
            self._leaves(row)
            return None
        if image and image["bytes"]:
            self.counts["had"] += 1
            return row
        empty = {**row, "image": None, "published_sha256": None}
        try:
            clean = self._picture(row, found)
        except FetchFailed as lost:
            self.lost.append((row["id"], row["source_url"] or "", lost.reason, lost.cause))
            return empty
        if self._is_copy(clean):
            self._leaves(row)
            return None
        self.counts["filled"] += 1
        name = f"{row['id']}.{suffix(clean)}"
        digest = hashlib.sha256(clean).hexdigest()
        return {**row, "image": {"bytes": clean, "path": name}, "published_sha256": digest}

    def _is_removed(self, row: dict[str, Any], picture: bytes | None) -> bool:
        """Whether a row is on the removal list, by any of its names, or a copy of one that is."""
        named = self.matcher.exact(*([row[key]] for key in _KEYS))[0]
        also = self.matcher.any_of([[copy["source_url"] for copy in row["also_from"] or []]])[0]
        return bool(named or also or (picture is not None and self._is_copy(picture)))

    def _is_copy(self, picture: bytes) -> bool:
        """Whether a picture looks like one that was removed."""
        if not len(self.matcher.phashes):
            return False
        try:
            square = prepare(picture, decode(picture, max_pixels=self.max_pixels)).square
        except DecodeError:
            return False
        hashes = np.array([square_hash(square)], np.uint64)
        return bool(self.matcher.copies(hashes)[0] <= MAX_COPY_DISTANCE)

    def _leaves(self, row: dict[str, Any]) -> None:
        self.lost.append((row["id"], row["source_url"] or "", "removed", "on the removal list"))
        self.removed.add(row["id"])

    def _picture(self, row: dict[str, Any], found: dict[str, Location]) -> bytes:
        """The published form of a row's picture; LostError when it is not to be had, or not it."""
        place = found.get(_address(row["source_url"]) or "")
        if place is None:
            raise FetchFailed("fetch_failed", "no_address")
        if place.reason is not None or place.file is None:
            raise FetchFailed(place.reason or "fetch_failed", place.cause or "")
        assert place.place is not None and place.size is not None
        data = read_picture(self.work / place.file, place.place, place.size)
        if hashlib.sha256(data).hexdigest() != row["id"]:
            raise FetchFailed("fetch_failed", "hash_mismatch")
        try:
            decoded = decode(data, max_pixels=self.max_pixels)
        except DecodeError as error:
            raise FetchFailed(error.reason, "as received") from None
        return publishable(data, plain=decoded.plain, max_pixels=self.max_pixels)

    def _write_beside(self, target: Path) -> None:
        """The card with a notice, the changelog, and the list of what is still missing."""
        out = io.StringIO()
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["id", "source_url", "reason", "cause"])
        table.writerows([cell(value) for value in line] for line in self.lost)
        write_text(target / REPORT, out.getvalue())
        for folder in (LABELS, VOTES):
            for path in sorted(self.data.glob(f"{folder}/*.parquet")):
                self._copy_rows(path, target / folder / path.name)
        if (self.data / CHANGELOG).exists():
            shutil.copyfile(self.data / CHANGELOG, target / CHANGELOG)
        if (self.data / "assets").is_dir() and not self.removed:  # it may show one of them
            shutil.copytree(self.data / "assets", target / "assets")
        card = self.data / README
        if card.exists():
            text = card.read_text(encoding="utf-8")
            if self.removed:
                text = cardyaml.recounted(text, target)
            head, line, body = text.rpartition("\n---\n")
            notice = "" if NOTICE in body else f"\n{NOTICE}"
            write_text(target / README, f"{head}{line}{notice}{body}")

    def _copy_rows(self, source: Path, target: Path) -> None:
        """Rows without pictures, or votes, less those that left."""
        table = pq.read_table(source)
        keep = pc.invert(pc.is_in(table["id"], pa.array(sorted(self.removed), pa.string())))
        with parquet_writer(target, table.schema, **layout.parquet_options(table.schema)) as writer:
            writer.write_table(table.filter(keep))


def fetch_options(texts: list[str]) -> FetchConfig:
    """`KEY=VALUE` of `[fetch]` as a command gets them; Emo8Error names what is none."""
    import tomllib

    from emo8.core.read_recipe import parse_recipe

    try:
        options = tomllib.loads("\n".join(texts))
    except tomllib.TOMLDecodeError:
        shown = ", ".join(json.dumps(text) for text in texts)
        raise Emo8Error(
            f"{shown}: write options of [fetch] as TOML, for example robots_txt=true or "
            "'user_agent=\"mylab/1.0\"'"
        ) from None
    source = [{"kind": "urls", "path": "unused"}]
    return parse_recipe({"source": source, "fetch": options}, where="--fetch").fetch


def _target_name(name: str, row: dict[str, Any], labels: LabelSet) -> str:
    """Where a row is written: in its own file, or from labels/ in the shard of its style."""
    if not name.startswith(f"{LABELS}/"):
        return name
    return f"data/{labels.folder_of(row['style'])}/{Path(name).name}"


def _address(url: str | None) -> str | None:
    try:
        return parse(url).url
    except FetchFailed:
        return None
