"""The files of a dataset folder: which shards there are, and reading them a row group at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core import label_set, schema
from emo8.core.errors import BuildError
from emo8.core.inside import files_below, plain_files
from emo8.core.label_set import MIKELS, LabelSet
from emo8.core.taxonomy import SPLITS
from emo8.engine.build_folder import RESOLVED, read_json
from emo8.engine.files import read_fingerprint

LABELS = "labels"  # folder and config of the rows without pictures
VOTES = "votes"  # folder and config of people's votes
README = "README.md"
CROISSANT = "croissant.json"
RELEASE = "release.json"  # version, history, and the hash of every file
CHANGELOG = "CHANGELOG.md"


@dataclass(frozen=True, kw_only=True, order=True)
class Shard:
    """One parquet file of pictures. Sorting interleaves the styles."""

    split_rank: int  # place in SPLITS
    group: int
    style_rank: int  # place among the folders of the dataset: of its style
    name: str  # path below the folder, with slashes

    @property
    def split(self) -> str:
        return SPLITS[self.split_rank]

    @property
    def style(self) -> str:
        return self.name.split("/")[1]


def list_shards(root: Path) -> list[Shard]:
    """The shards of a dataset folder, by split, then group, then style.

    In this order a stream does not show one style first. BuildError names a file that does not
    belong.
    """
    shards, styles = [], labels_of(root).folders
    for path in plain_files(root, "data/*/*.parquet"):
        split, _, group = path.stem.rpartition("-")
        style = path.parent.name
        if style not in styles or split not in SPLITS or not group.isdigit():
            raise BuildError(
                f"{path} is no shard of ours: expected data/<style>/<split>-NNNNN.parquet; "
                "remove it, or build into a fresh folder"
            )
        shards.append(
            Shard(
                split_rank=SPLITS.index(split),
                group=int(group),
                style_rank=styles.index(style),
                name=path.relative_to(root).as_posix(),
            )
        )
    return sorted(shards)


def labels_of(root: Path) -> LabelSet:
    """The label set of a dataset folder, by the first of its files that can be read."""
    places = ("data/*/*.parquet", f"{LABELS}/*.parquet")
    for path in (path for place in places for path in plain_files(root, place)):
        try:
            return label_set.of_footer(pq.read_metadata(path).metadata)
        except BuildError as error:
            raise BuildError(f"{path}: {error}") from None
        except (OSError, pa.ArrowException):  # damaged: whoever reads its rows says so
            continue
    return MIKELS


def labels_at(path: Path) -> LabelSet:
    """The label set of a build or of a dataset folder; MIKELS for anything else."""
    if (resolved := read_json(path / RESOLVED)) is not None:
        return label_set.of_resolved(resolved)
    return labels_of(path)


def row_groups(path: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The row groups of one file, one at a time, so that memory stays bounded."""
    with pq.ParquetFile(path) as file:
        for group in range(file.metadata.num_row_groups):
            yield file.read_row_group(group, columns=columns)


def read_rows(root: Path, columns: list[str]) -> pa.Table:
    """Some columns of all rows of a dataset folder, with `split` and `shard`."""
    labels = pa.dictionary(pa.int32(), pa.string())
    empty = pa.schema(
        [
            *(schema.published_schema().field(name) for name in columns),
            ("split", labels),
            ("shard", labels),
        ]
    ).empty_table()
    tables = [empty]
    for shard in list_shards(root):
        with pq.ParquetFile(root / shard.name) as file:
            table = file.read(columns=columns).replace_schema_metadata(None)
        for name, value in (("split", shard.split), ("shard", shard.name)):
            values = pa.array([value] * table.num_rows, pa.string()).dictionary_encode()
            table = table.append_column(name, values)
        tables.append(table)
    return pa.concat_tables(tables).unify_dictionaries()


def content_fingerprint(root: Path) -> str:
    """Hash of the shards' fingerprints: equal exactly when the rows were made equal."""
    shards = sorted(shard.name for shard in list_shards(root))
    content = [(name, read_fingerprint(root / name)) for name in shards]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def all_files(root: Path) -> list[str]:
    """Every file of a dataset folder that is published, as sorted paths with slashes."""
    found = (path for path in files_below(root) if path.is_file())
    names = (path.relative_to(root).as_posix() for path in found)
    return sorted(name for name in names if not any(p.startswith(".") for p in name.split("/")))
