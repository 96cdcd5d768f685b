"""The gate before any publication: what must not go out, found in the files that would.

It looks at the staged release itself, at every row and every picture, and trusts nothing that the
build says about them. A blocker stops the publication; a warning is shown.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emo8.core import label_set, schema
from emo8.core.images import DecodeError, decode
from emo8.core.label_set import LabelSet
from emo8.core.licenses import OTHER, hub_id, same
from emo8.core.settings import PublishConfig
from emo8.dataset.removal import Matcher, Removal
from emo8.dataset.shards import LABELS, Shard, all_files, labels_of, list_shards, read_rows
from emo8.publish import cardyaml, croissant
from emo8.publish.audit import file_finds, strings
from emo8.publish.picture_scan import scan
from emo8.publish.text_scan import TextScan, host_names

ABSTAIN = "abstain"  # the only rule under which a row has no emotion
EXAMPLES = 3  # places named per blocker
BLOCKERS: dict[str, str] = {
    "metadata": "pictures or files carry more than their content (place, camera, comments)",
    "undecodable": "pictures do not decode, or are not what the row says",
    "missing_license": "rows without a licence; name it in the recipe, or allow_missing_license",
    "removed": "rows are on the removal list; run `emo8 build` again",
    "stale_removals": "the removal list changed after the build; run `emo8 build` again",
    "local_path": "texts name paths of a machine",
    "secret": "texts hold what looks like a password, token or key",
    "vocabulary": "labels or columns outside the vocabulary",
    "split_leak": "pictures lie in more than one split; `emo8 leaks check BUILD` names them all",
    "repeated": "the same id is there twice",
    "no_address": "pictures are withheld and there is no source_url to find them at",
    "policy": "publish.image_policy names a licence that no row has; write it as the rows do",
    "card": "the card or Croissant is not valid",
    "too_large": "row groups are too large for the Hub's viewer",
}
WARNINGS: dict[str, str] = {
    "missing_license": "rows without a licence go out, as the recipe allows",
    "other_license": "licences without an identifier on the Hub are listed as `other`",
}
MAX_GROUP_BYTES = 300_000_000  # the viewer refuses larger row groups


@dataclass(kw_only=True)
class Findings:
    """Counts and examples by code."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, code: str, place: str) -> None:
        self.counts[code] += 1
        if len(self.examples[code]) < EXAMPLES:
            self.examples[code].append(place)

    def merge(self, other: Findings) -> None:
        for code, count in other.counts.items():
            self.counts[code] += count
            room = EXAMPLES - len(self.examples[code])
            self.examples[code] += other.examples[code][:room]

    def lines(self, words: dict[str, str]) -> list[str]:
        """One line per code: how many, what, and where for example."""
        return [
            f"{self.counts[code]} x {code}: {words[code]} (for example "
            f"{'; '.join(self.examples[code])})"
            for code in words
            if self.counts.get(code)
        ]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the gate found."""

    blockers: list[str]
    warnings: list[str]
    codes: frozenset[str]  # of the blockers

    @property
    def open(self) -> bool:
        return not self.blockers


def inspect(
    root: Path,
    *,
    publish: PublishConfig,
    removals: list[Removal],
    removals_current: bool,
    split_leaks: Iterable[str] = (),
    forbidden: Iterable[str] = (),
) -> Verdict:
    """Look at every file of a staged release.

    `removals_current` says whether the build honoured this very list; `split_leaks` are the copies
    across splits that `emo8 leaks check` names. `forbidden` are strings
    that must appear nowhere: the build's own path, the home folder, the token.
    """
    found, warned = Findings(), Findings()
    if not removals_current:
        found.add("stale_removals", "emo8 remove was used since")
    for pair in split_leaks:
        found.add("split_leak", pair)
    looker = _Looker(
        root=root, labels=labels_of(root), matcher=Matcher(removals), texts=TextScan(forbidden)
    )
    shards = list_shards(root)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # decoding and hashing free the GIL
        for one in pool.map(looker.shard, shards):
            found.merge(one)
    _check_rows(root, found)
    _check_licenses(root, publish, found, warned)
    with_host = TextScan([*looker.texts.forbidden, *host_names()])
    for name in all_files(root):
        for find in file_finds(root, name, with_host):
            found.add(find.kind if find.kind in BLOCKERS else "metadata", str(find))
    for problem in [*cardyaml.check(root), *croissant.problems(root)]:
        found.add("card", problem)
    return Verdict(
        blockers=found.lines(BLOCKERS),
        warnings=warned.lines(WARNINGS),
        codes=frozenset(code for code, count in found.counts.items() if count),
    )


@dataclass(frozen=True, kw_only=True)
class _Looker:
    """Looks at one shard at a time, one row group at a time."""

    root: Path
    labels: LabelSet
    matcher: Matcher
    texts: TextScan

    def shard(self, shard: Shard) -> Findings:
        found = Findings()
        with pq.ParquetFile(self.root / shard.name) as file:
            _check_schema(file, shard.name, self.labels, found)
            if "vocabulary" in found.counts:
                return found
            for group in range(file.metadata.num_row_groups):
                if file.metadata.row_group(group).total_byte_size > MAX_GROUP_BYTES:
                    found.add("too_large", f"{shard.name} group {group}")
                self._rows(file.read_row_group(group), shard, found)
        return found

    def _rows(self, table: pa.Table, shard: Shard, found: Findings) -> None:
        ids = table["id"].to_pylist()
        places = [f"{key} in {shard.name}" for key in ids]
        removed = self.matcher.exact(*(table[name] for name in _REMOVABLE))
        removed |= self.matcher.any_of(copy_addresses(table["also_from"]))
        for row in np.flatnonzero(removed).tolist():
            found.add("removed", places[row])
        for row, entry in enumerate(table.drop_columns(["image"]).to_pylist()):
            _check_labels(entry, shard, self.labels, places[row], found)
            _check_texts(entry, places[row], self.texts, found)
            _check_picture(table["image"][row].as_py(), entry, places[row], found)


_REMOVABLE = ("id", "pixel_sha256", "published_sha256", "source_url", "cluster")


def copy_addresses(also_from: pa.ChunkedArray) -> list[list[str | None]]:
    """For each row the addresses of its exact copies."""
    return [[copy["source_url"] for copy in row or []] for row in also_from.to_pylist()]


def _check_schema(file: pq.ParquetFile, name: str, labels: LabelSet, found: Findings) -> None:
    arrow = file.schema_arrow
    if not arrow.equals(schema.published_schema()):
        found.add("vocabulary", f"{name} has other columns than emo8/core/schema.py")
    if label_set.of_footer(arrow.metadata) != labels:
        found.add("vocabulary", f"{name} names other labels than the files before it")


def _check_labels(
    entry: dict[str, Any], shard: Shard, labels: LabelSet, place: str, found: Findings
) -> None:
    emotion, prob = entry["emotion"], entry["emotion_prob"]
    abstained = emotion is None and entry["emotion_rule"] == ABSTAIN
    if not abstained and (emotion is None or not 0 <= emotion < len(labels.emotions)):
        found.add("vocabulary", f"emotion {emotion} of {place}")
    style = entry["style"]
    known = style is None or 0 <= style < len(labels.styles)
    if not known or labels.folder_of(style) != shard.style:
        found.add("vocabulary", f"style {entry['style']} of {place}")
    if prob is not None and (len(prob) != len(labels.emotions) or abs(sum(prob) - 1) > 0.01):
        found.add("vocabulary", f"emotion_prob of {place}")


def _check_picture(
    image: dict[str, Any] | None, entry: dict[str, Any], place: str, found: Findings
) -> None:
    """Whether the picture decodes, is the one the row describes, and carries nothing else."""
    data = image["bytes"] if image else None
    if data is None:
        if not entry["source_url"]:
            found.add("no_address", place)
        return
    try:
        decoded = decode(data, max_pixels=entry["width"] * entry["height"])
    except DecodeError as error:
        found.add("undecodable", f"{error} {place}")
        return
    if (decoded.width, decoded.height) != (entry["width"], entry["height"]):
        found.add("undecodable", f"{decoded.width} x {decoded.height} {place}")
    if hashlib.sha256(data).hexdigest() != entry["published_sha256"]:
        found.add("undecodable", f"another published_sha256 {place}")
    for one in scan(data):
        found.add("metadata", f"{one} in {place}")


def _check_texts(entry: dict[str, Any], place: str, texts: TextScan, found: Findings) -> None:
    for name, text in strings(entry):
        for kind in {kind for kind, _ in texts(text)}:
            found.add(kind, f"{name} of {place}")


def _check_rows(root: Path, found: Findings) -> None:
    """No id twice; no cluster, file or picture in two splits; the same rows without pictures."""
    table = read_rows(root, ["id", "cluster", "pixel_sha256"])
    for key in ("cluster", "pixel_sha256"):
        splits = table.group_by(key).aggregate([("split", "count_distinct")])
        torn = splits.filter(pc.greater(splits["split_count_distinct"], 1))
        for value in torn[key].to_pylist():
            found.add("split_leak", f"{key} {value}")
    counts = pc.value_counts(table["id"])
    for item in counts.filter(pc.greater(counts.field("counts"), 1)).to_pylist():
        found.add("repeated", item["values"])
    bare = sum(pq.read_metadata(path).num_rows for path in (root / LABELS).glob("*.parquet"))
    if bare != table.num_rows:
        found.add("card", f"{bare} rows in {LABELS}/, {table.num_rows} in data/")


def _check_licenses(root: Path, publish: PublishConfig, found: Findings, warned: Findings) -> None:
    table = read_rows(root, ["id", "license"])
    missing = table.filter(pc.is_null(table["license"]))["id"].to_pylist()
    for key in missing:
        (warned if publish.allow_missing_license else found).add("missing_license", key)
    written = sorted(pc.unique(table["license"].drop_null()).to_pylist())
    for license in written:
        if hub_id(license) == OTHER:
            warned.add("other_license", license)
    for name in publish.image_policy:
        if not any(same(name, license) for license in written):
            found.add("policy", f"{name}; rows have {', '.join(written[:5]) or 'none'}")
