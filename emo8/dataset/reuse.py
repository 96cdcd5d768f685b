"""Pictures that were published before and need not be encoded again.

A shard says how its pictures were made; where that is how they would be made now, a row that comes
back, to the same shard or another, takes its bytes along. They are the same bytes: encoding is a
function of the picture and of what `making` names, and every one is checked by its hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import PIL
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import features

from emo8.engine.files import fingerprint

MAKING_KEY = b"emo8.pictures"
_VERSION = (
    2  # of `published_picture.publishable`: another number, and all pictures are encoded anew
)


def making() -> str:
    """What the bytes of a published picture depend on besides the picture itself."""
    codecs = [features.version(name) for name in ("webp", "jpg", "zlib", "avif", "littlecms2")]
    return fingerprint(_VERSION, PIL.__version__, codecs)


class KnownPictures:
    """Published bytes by row id, read from shards one row group at a time."""

    def __init__(self, shards: Iterable[Path]) -> None:
        self._place: dict[str, tuple[pq.ParquetFile, int, int]] = {}
        self._held: dict[pq.ParquetFile, tuple[int, pa.Table]] = {}
        for path in shards:
            self._index(path)

    def _index(self, path: Path) -> None:
        try:
            file = pq.ParquetFile(path)
        except (OSError, pa.ArrowInvalid):  # damaged: its pictures are encoded again
            return
        if (file.metadata.metadata or {}).get(MAKING_KEY) != making().encode():
            return
        for group in range(file.num_row_groups):
            columns = file.read_row_group(group, columns=["id", "faces_blurred"])
            whole = pc.equal(pc.fill_null(columns["faces_blurred"], 0), 0).to_pylist()
            for row, key in enumerate(columns["id"].to_pylist()):
                if whole[row]:
                    self._place[key] = (file, group, row)

    def get(self, key: str) -> bytes | None:
        """The bytes published for the row `key`; None where it must be encoded."""
        if key not in self._place:
            return None
        file, group, row = self._place[key]
        held = self._held.get(file)
        if held is None or held[0] != group:
            try:
                table = file.read_row_group(group, columns=["image", "published_sha256"])
            except (OSError, pa.ArrowInvalid):
                return None
            held = self._held[file] = (group, table)
        image, digest = held[1].column("image")[row], held[1].column("published_sha256")[row]
        data = image["bytes"].as_py()
        if data is None or hashlib.sha256(data).hexdigest() != digest.as_py():
            return None
        return bytes(data)
