"""Taking fingerprints of pictures, and the parquet file that holds them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.errors import Emo8Error
from emo8.core.images import DecodeError, decode
from emo8.duplicates.fingerprints.hashes import (
    DETAIL_SIDE,
    NUM_WINDOWS,
    details_of,
    thumb_of,
    window_hashes,
)
from emo8.engine.files import parquet_writer
from emo8.measure.filters.base import PHASH_RECIPE, prepare
from emo8.measure.filters.copies import VIEWS_RECIPE, DuplicateViews

VERSION = 2
ABOUT_KEY = b"emo8.fingerprints"
BATCH_PICTURES = 64

SCHEMA = pa.schema(
    [
        ("id", pa.string()),  # the row's own name in its dataset
        ("sha256", pa.string()),  # of the encoded bytes
        ("pixel_sha256", pa.string()),  # of the decoded, upright RGB pixels
        ("detail_hash", pa.binary(DETAIL_SIDE**2 // 8)),  # of the picture as it is
        ("detail_hash_trimmed", pa.binary(DETAIL_SIDE**2 // 8)),  # without its plain border
        # of windows of the picture as it is, which a light crop of it shows
        ("detail_hash_windows", pa.binary(NUM_WINDOWS * DETAIL_SIDE**2 // 8)),
        ("embedding", pa.list_(pa.float16())),  # unit vector of the CLIP named in `About`
    ]
)


@dataclass(frozen=True, kw_only=True)
class About:
    """Whose fingerprints a file holds, and how they were made."""

    name: str  # of the dataset; goes into rejected.parquet
    model: str  # CLIP as a recipe writes it
    weights_sha256: str
    phash_recipe: str = PHASH_RECIPE
    views_recipe: str = VIEWS_RECIPE
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Prints:
    """Fingerprints of N pictures in memory."""

    about: About
    ids: list[str]
    sha256: list[str]
    pixel_sha256: list[str]
    detail: np.ndarray  # (N, 2, 32) uint8: plain and trimmed
    windows: np.ndarray  # (N, W, 32) uint8; W = 0 in a build, whose rows are asked, not stored
    embedding: np.ndarray  # (N, D) float32

    def __len__(self) -> int:
        return len(self.ids)


def take(
    pictures: Iterable[tuple[str, bytes]], name: str, model: str = "embedded"
) -> tuple[Prints, int]:
    """Fingerprints of (id, encoded bytes), and how many pictures did not decode."""
    from emo8.labels.clip.encoder import load

    encoder, filters, undecoded = load(model), DuplicateViews(), 0
    records: list[dict[str, Any]] = []
    vectors: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    for key, data in pictures:
        try:
            decoded = decode(data)
        except DecodeError:
            undecoded += 1
            continue
        seen = filters.measure(prepare(data, decoded))
        records.append(
            {
                "id": key,
                "sha256": hashlib.sha256(data).hexdigest(),
                "pixel_sha256": decoded.pixel_sha256(),
                "thumb": seen["thumb"],
                "thumb_trimmed": seen["thumb_trimmed"],
                "windows": window_hashes(thumb_of(seen["thumb"])),
            }
        )
        waiting.append(decoded.rgb)
        if len(waiting) == BATCH_PICTURES:
            vectors.append(encoder.embed_images(waiting))
            waiting = []
    vectors.append(encoder.embed_images(waiting))
    columns = {key: [record[key] for record in records] for key in _TAKEN}
    windows = np.array(columns["windows"], np.uint8)
    prints = Prints(
        about=About(name=name, model=model, weights_sha256=encoder.weights_sha256),
        ids=columns["id"],
        sha256=columns["sha256"],
        pixel_sha256=columns["pixel_sha256"],
        detail=details_of(
            pa.chunked_array([pa.array(columns["thumb"], pa.binary())]),
            pa.chunked_array([pa.array(columns["thumb_trimmed"], pa.binary())]),
        ),
        windows=windows.reshape(len(records), NUM_WINDOWS, -1),
        embedding=np.concatenate(vectors).astype(np.float16).astype(np.float32),
    )
    return prints, undecoded


_TAKEN = ("id", "sha256", "pixel_sha256", "thumb", "thumb_trimmed", "windows")


def write(prints: Prints, path: Path) -> None:
    """Write the file; it appears whole or not at all."""
    table = pa.table(
        {
            "id": prints.ids,
            "sha256": prints.sha256,
            "pixel_sha256": prints.pixel_sha256,
            "detail_hash": [bytes(row[0]) for row in prints.detail],
            "detail_hash_trimmed": [bytes(row[1]) for row in prints.detail],
            "detail_hash_windows": [windows.tobytes() for windows in prints.windows],
            "embedding": list(prints.embedding.astype(np.float16)),
        },
        schema=SCHEMA,
    )
    about = json.dumps(asdict(prints.about)).encode()
    table = table.replace_schema_metadata({ABOUT_KEY: about})
    with parquet_writer(path, table.schema, compression="zstd") as writer:
        writer.write_table(table)


def read(path: Path) -> Prints:
    """The fingerprints in a file; Emo8Error when it is none, or of another recipe."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise Emo8Error(
            f"no fingerprints at {path}: make them with `emo8 leaks take DATA -o {path}`"
        ) from None
    except (OSError, pa.ArrowInvalid) as error:
        raise Emo8Error(f"{path} cannot be read as fingerprints: {error}") from None
    stored = (table.schema.metadata or {}).get(ABOUT_KEY)
    if stored is None:
        raise Emo8Error(f"{path} holds no fingerprints: make them with `emo8 leaks take`")
    facts = json.loads(stored)
    if [facts.get(key) for key in _RECIPE] != [VERSION, PHASH_RECIPE, VIEWS_RECIPE]:
        made = ", ".join(str(facts.get(key)) for key in _RECIPE)
        raise Emo8Error(f"{path} was made by another recipe ({made}): make it anew")
    details = [
        np.frombuffer(b"".join(table.column(name).to_pylist()), np.uint8).reshape(
            -1, DETAIL_SIDE**2 // 8
        )
        for name in ("detail_hash", "detail_hash_trimmed")
    ]
    windows = b"".join(table.column("detail_hash_windows").to_pylist())
    vectors = table.column("embedding").to_pylist()
    return Prints(
        about=About(**facts),
        ids=table.column("id").to_pylist(),
        sha256=table.column("sha256").to_pylist(),
        pixel_sha256=table.column("pixel_sha256").to_pylist(),
        detail=np.stack(details, axis=1),
        windows=np.frombuffer(windows, np.uint8).reshape(len(vectors), NUM_WINDOWS, -1),
        embedding=np.array(vectors, np.float32).reshape(len(vectors), -1),
    )


_RECIPE = ("version", "phash_recipe", "views_recipe")
