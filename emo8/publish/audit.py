"""Everything in the files of a release that is no part of the dataset, with its byte offset.

Pictures hold nothing but their picture (`picture_scan.py`); the footers of parquet files, the card,
Croissant, notes, reports and the pictures inside them, the headers of safetensors files, metrics
and the names of files say no path, host, user or secret. The gate runs this before each
publication; `emo8 publish BUILD --audit` shows what it finds, also in a report and in a RUN.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.json_text import parse_json
from emo8.core.label_set import FOOTER_KEY
from emo8.dataset.shards import RELEASE, all_files
from emo8.engine.files import FINGERPRINT_KEY, SUM_KEY
from emo8.publish.findings import KINDS
from emo8.publish.picture_scan import scan
from emo8.publish.text_scan import TextScan, host_names, user_names

_TEXTS = (".md", ".json", ".jsonl", ".yml", ".yaml", ".toml", ".csv", ".txt", ".html", ".tsv")
HASHES = frozenset({"id", "cluster", "pixel_sha256", "published_sha256"})
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif")
_INSIDE = re.compile(rb"data:image/[\w.+-]+;base64,([A-Za-z0-9+/=]+)")  # a picture in a page
_WORDS = {"secret": "what looks like a token, key or password",
          "local_path": "a path, host or user of the machine it was made on"}  # fmt: skip
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
        what = "the picture of row" if self.kind in KINDS else "row"
        where = f"{what} {self.row[:12]} in {self.file}" if self.row else self.file
        return f"{self.kind} at byte {self.offset} of {where}: {self.what}"


def audit(root: Path, forbidden: Iterable[str] = (), *, inside: str = "") -> list[Find]:
    """What every file of a folder holds besides its content; empty when it is clean.

    `forbidden` words may appear nowhere; this machine's name may not either, nor that of its user,
    who in a release may be the publisher. `inside` is a folder of `root` to look at alone.
    """
    words = [*forbidden, *host_names()]
    texts = TextScan(words)
    about = texts if (root / RELEASE).exists() else TextScan([*words, *user_names()])
    names = [name for name in all_files(root) if name.startswith(inside)]

    def look(name: str) -> list[Find]:
        found = list(file_finds(root, name, about))
        return (
            found
            if any(one.kind == "damaged" for one in found)
            else [*found, *_rows(root, name, texts)]
        )

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return [find for finds in pool.map(look, names) for find in finds]


def file_finds(root: Path, name: str, texts: TextScan) -> Iterator[Find]:
    """What a file holds besides its rows: the gate looks at those itself."""
    try:
        yield from _finds(root, name, texts)
    except (OSError, ValueError, AttributeError, pa.ArrowException) as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        yield Find(name, "", "damaged", 0, f"it cannot be read: {cause}")


def _finds(root: Path, name: str, texts: TextScan) -> Iterator[Find]:
    path, suffix = root / name, Path(name).suffix.lower()
    for kind, _ in texts(name):
        yield Find(name, "", kind, 0, "in the name of the file")
    if suffix == ".parquet":
        yield from _footer(path, name, texts)
    elif suffix in _PICTURES:
        for one in scan(path.read_bytes()):
            yield Find(name, "", one.kind, one.offset, one.what)
    elif suffix in _TEXTS:
        data = path.read_bytes()
        yield from _text(_INSIDE.sub(lambda found: b" " * len(found[0]), data), 0, name, texts)
        yield from _pictures_inside(data, name)
    elif suffix == ".safetensors":
        yield from _header(path, name, texts)
    else:
        yield Find(name, "", "unknown", 0, "a kind of file that no release holds")


def _pictures_inside(data: bytes, name: str) -> Iterator[Find]:
    """What the pictures hold that a page carries inside it; the byte is where such a one begins."""
    for found in _INSIDE.finditer(data):
        for one in scan(base64.b64decode(found[1])):
            yield Find(name, "", one.kind, found.start(), f"in a picture of the page: {one.what}")


def _rows(root: Path, name: str, texts: TextScan) -> Iterator[Find]:
    """The pictures and texts of a parquet file; of a text, the byte is that of its column."""
    if not name.endswith(".parquet"):
        return
    with pq.ParquetFile(root / name) as file:
        for group in range(file.num_row_groups):
            table, places = file.read_row_group(group), _places(file, group)
            for row in table.to_pylist():
                key, image = str(row.pop("id", "")), row.pop("image", None)
                for one in scan(image["bytes"]) if image else ():
                    yield Find(name, key, one.kind, one.offset, one.what)
                for column, text in strings(row):
                    for kind, _ in texts(text):
                        yield Find(name, key, kind, places[column], f"{_WORDS[kind]}, in {column}")


def _places(file: pq.ParquetFile, group: int) -> dict[str, int]:
    """Where each column of a row group begins in its file, by the column's name."""
    chunks = file.metadata.row_group(group)
    found: dict[str, int] = {}
    for place in range(chunks.num_columns):
        chunk = chunks.column(place)
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        found.setdefault(chunk.path_in_schema.split(".")[0], start)
    return found


def strings(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text of a row but its hashes, with the column it is in."""
    for name, value in row.items():
        if name not in HASHES:
            yield from ((name, text) for text in _texts_in(value))


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)


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
    metadata = parse_json(header).get("__metadata__", {})
    for value in metadata.values():
        at = header.find(json.dumps(value).encode()[1:-1])
        yield from _text(str(value).encode(), 8 + max(0, at), name, texts)


def _text(data: bytes, start: int, name: str, texts: TextScan) -> Iterator[Find]:
    text = data.decode(errors="replace")
    for kind, at in texts(text):
        yield Find(name, "", kind, start + len(text[:at].encode()), _WORDS[kind])
