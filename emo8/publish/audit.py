"""Everything in the files of a release that is no part of the dataset, with its byte offset.

Pictures hold nothing but their picture (`picture_scan.py`); the footers of parquet files, the card,
Croissant, notes, the headers of safetensors files and metrics name no path, host or secret. The
gate runs this before each publication; `emo8 publish BUILD --audit` shows what it finds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.label_set import FOOTER_KEY
from emo8.dataset.shards import all_files, row_groups
from emo8.engine.files import FINGERPRINT_KEY, SUM_KEY
from emo8.publish.picture_scan import scan
from emo8.publish.text_scan import TextScan

_TEXTS = (".md", ".json", ".jsonl", ".yml", ".yaml", ".toml", ".csv", ".txt", ".html", ".tsv")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif")
# Keys of a parquet file's metadata that `datasets`, Arrow and emo8 write.
_KEYS = frozenset(
    {b"huggingface", b"ARROW:schema", b"emo8.pictures", FINGERPRINT_KEY, FOOTER_KEY, SUM_KEY}
)


class Find(NamedTuple):
    """One thing that must not be there."""

    file: str  # path below the folder
    row: str  # id of the row whose picture it is in, "" = in the file itself
    kind: str
    offset: int  # byte in the picture, or else in the file
    what: str

    def __str__(self) -> str:
        where = f"the picture of row {self.row[:12]} in {self.file}" if self.row else self.file
        return f"{self.kind} at byte {self.offset} of {where}: {self.what}"


def audit(root: Path, forbidden: Iterable[str] = ()) -> list[Find]:
    """What every file of a dataset folder holds besides the dataset; empty when it is clean."""
    texts, names = TextScan(forbidden), all_files(root)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = pool.map(lambda name: [*file_finds(root, name, texts), *_rows(root, name)], names)
        return [find for finds in found for find in finds]


def file_finds(root: Path, name: str, texts: TextScan) -> Iterator[Find]:
    """What a file holds besides its rows: the gate looks at those itself."""
    path, suffix = root / name, Path(name).suffix.lower()
    if suffix == ".parquet":
        yield from _footer(path, name, texts)
    elif suffix in _PICTURES:
        for one in scan(path.read_bytes()):
            yield Find(name, "", one.kind, one.offset, one.what)
    elif suffix in _TEXTS:
        yield from _text(path.read_bytes(), 0, name, texts)
    elif suffix == ".safetensors":
        yield from _header(path, name, texts)
    else:
        yield Find(name, "", "unknown", 0, "a kind of file that no release holds")


def _rows(root: Path, name: str) -> Iterator[Find]:
    if not name.endswith(".parquet") or "image" not in pq.read_schema(root / name).names:
        return
    for table in row_groups(root / name, ["id", "image"]):
        for key, image in zip(table["id"].to_pylist(), table["image"].to_pylist(), strict=True):
            for one in scan(image["bytes"]) if image else ():
                yield Find(name, key, one.kind, one.offset, one.what)


def _footer(path: Path, name: str, texts: TextScan) -> Iterator[Find]:
    """The metadata of a parquet file: known keys, and nothing of a machine in their values."""
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        start = file.seek(-8 - length, os.SEEK_END)
        footer = file.read(length)
    with pq.ParquetFile(path) as parquet:
        metadata, schema = parquet.metadata, parquet.schema_arrow
    for key, value in (metadata.metadata or {}).items():
        at = start + max(0, footer.find(key))
        if key not in _KEYS:
            yield Find(name, "", "unknown", at, f"the metadata key {key.decode(errors='replace')}")
        elif key != b"ARROW:schema":
            yield from _text(value, start + max(0, footer.find(value)), name, texts)
    for field in schema:
        for key in _own_keys(field):
            yield Find(name, "", "unknown", start, f"metadata {key!r} of column {field.name}")
    yield from _text((metadata.created_by or "").encode(), start, name, texts)


def _own_keys(field: pa.Field) -> list[str]:
    keys = (field.metadata or {}).keys()
    return [key.decode(errors="replace") for key in keys if key != b"PARQUET:field_id"]


def _header(path: Path, name: str, texts: TextScan) -> Iterator[Find]:
    """The metadata in the header of a safetensors file."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, 100_000_000))
    metadata = json.loads(header).get("__metadata__", {})
    for value in metadata.values():
        at = header.find(json.dumps(value).encode()[1:-1])
        yield from _text(str(value).encode(), 8 + max(0, at), name, texts)


def _text(data: bytes, start: int, name: str, texts: TextScan) -> Iterator[Find]:
    text = data.decode(errors="replace")
    for kind, at in texts(text):
        yield Find(name, "", kind, start + len(text[:at].encode()), "found in text")
