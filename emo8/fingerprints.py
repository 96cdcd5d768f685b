"""Fingerprints of pictures: hashes and embeddings in a parquet file, and no pictures.

`emo8 fingerprint` writes them for a benchmark, a build leaves out what matches them, and anything
that trains or measures may ask `match` whether two sets share pictures. One line per picture, with
the columns of `SCHEMA`; the file's metadata says whose they are and how they were made (`About`).
Files of other recipes or another version are refused; embeddings of another CLIP are not compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.copies.search import neighbours
from emo8.errors import Emo8Error
from emo8.filters.base import PHASH_RECIPE, prepare
from emo8.filters.copies import THUMB_SIDE_PX, VIEWS_RECIPE, Copies, thumbnail
from emo8.images import DecodeError, decode

VERSION = 2
ABOUT_KEY = b"emo8.fingerprints"
DETAIL_SIDE = 16  # a detail hash is the signs of 16 x 16 DCT terms, the constant one left out
DETAIL_BITS = DETAIL_SIDE**2 - 1
DETAIL_COLUMNS = np.arange(DETAIL_SIDE**2 // 8)  # all bytes
# The lowest 8 x 8 terms: in smooth pictures the others are near zero and their signs are noise.
COARSE_COLUMNS = DETAIL_COLUMNS[:DETAIL_SIDE:2]
MAX_COARSE_DISTANCE = 4
MIN_COARSE_SIM = 0.97
NUM_NEAREST = 4  # of the other set, whose embeddings are asked too
# Light crops: windows of these sides at 4 x 4 places, 32 bytes each. Measured: docs/duplicates.md.
WINDOW_SIDES, WINDOW_PLACES = (0.975, 0.94, 0.91), 4
NUM_WINDOWS = len(WINDOW_SIDES) * WINDOW_PLACES**2
MAX_WINDOW_DISTANCE = 36  # bits; 99 in 100 light crops leave 37
MIN_WINDOW_SIM = 0.9  # cosine of the embeddings of rows whose windows are compared
NUM_WINDOWED = 8  # nearest of the other set by embedding
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


@dataclass(frozen=True, kw_only=True)
class Matches:
    """For each of N pictures the nearest one of the other set that is a copy of it."""

    row: np.ndarray  # (N,) int64, -1 where there is none
    distance: np.ndarray  # (N,) bits of 255; 0 for the same bytes or pixels
    sim: np.ndarray  # (N,) cosine of the embeddings; NaN where they cannot be compared


def match(rows: Prints, others: Prints, *, max_distance: int, min_sim: float) -> Matches:
    """Which of `rows` are copies of one of `others`.

    Equal bytes or pixels always are, and detail hashes of any two views (with or without border,
    straight or mirrored) within half of `max_distance` bits. Otherwise a second witness is asked:
    hashes within `max_distance` and embeddings that agree by `min_sim`; or the hashes' lowest
    terms within 4 bits and embeddings that agree by 0.97; or the hash of one of `others`' windows
    within 36 bits and embeddings that agree by 0.9 (lowest terms: 4 bits, 0.97). Embeddings of
    different CLIPs tell nothing.
    """
    found = np.full(len(rows), -1, np.int64)
    distance = np.full(len(rows), DETAIL_BITS, np.int64)
    sim = np.full(len(rows), np.nan, np.float32)
    comparable = rows.about.weights_sha256 == others.about.weights_sha256
    searches = [(DETAIL_COLUMNS, max_distance // 2, -1.0)]
    if comparable:
        searches.append((DETAIL_COLUMNS, max_distance, min_sim))
        searches.append((COARSE_COLUMNS, MAX_COARSE_DISTANCE, max(min_sim, MIN_COARSE_SIM)))
        _match_windows(rows, others, found, distance, sim)
    for columns, most_bits, least_sim in searches:
        for nearest, bits in _nearest(rows.detail, others.detail, columns):
            agrees, cosines = bits <= most_bits, np.full(bits.shape, np.nan, np.float32)
            if comparable:
                own = rows.embedding[:, None]
                cosines = (own * others.embedding[nearest]).sum(axis=2)
                agrees &= cosines >= least_sim
            best = np.where(agrees, bits, DETAIL_BITS + 1).argmin(axis=1)
            every = np.arange(len(rows))
            better = agrees[every, best] & ((bits[every, best] < distance) | (found < 0))
            found[better] = nearest[every, best][better]
            distance[better] = bits[every, best][better]
            sim[better] = cosines[every, best][better]
    for mine, theirs in (
        (rows.sha256, others.sha256),
        (rows.pixel_sha256, others.pixel_sha256),
    ):
        where = {key: row for row, key in enumerate(theirs)}
        equal = np.array([where.get(key, -1) for key in mine], np.int64)
        found[equal >= 0], distance[equal >= 0] = equal[equal >= 0], 0
    return Matches(row=found, distance=distance, sim=sim)


def _match_windows(
    rows: Prints, others: Prints, found: np.ndarray, distance: np.ndarray, sim: np.ndarray
) -> None:
    """Fill the matches of rows that show a window of one of `others`."""
    if not len(rows) or not others.windows.size:
        return
    nearest = neighbours(others.embedding, rows.embedding, min(NUM_WINDOWED, len(others)))
    for row, near in enumerate(nearest):
        cosines = others.embedding[near] @ rows.embedding[row]
        near, cosines = near[cosines >= MIN_WINDOW_SIM], cosines[cosines >= MIN_WINDOW_SIM]
        if not len(near):
            continue
        differ = np.bitwise_count(others.windows[near][:, None] ^ rows.detail[row][None, :, None])
        bits = differ.sum(axis=3).min(axis=(1, 2))
        coarse = differ[..., COARSE_COLUMNS].sum(axis=3).min(axis=(1, 2))
        shown = (bits <= MAX_WINDOW_DISTANCE) | (
            (coarse <= MAX_COARSE_DISTANCE) & (cosines >= MIN_COARSE_SIM)
        )
        if shown.any():
            best = int(np.where(shown, bits, DETAIL_BITS).argmin())
            found[row], distance[row], sim[row] = near[best], bits[best], cosines[best]


def _nearest(
    mine: np.ndarray, theirs: np.ndarray, columns: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(N, k) rows and bits of the nearest hashes by these bytes, for every pair of views."""
    import faiss

    if not len(mine) or not len(theirs):
        return
    for their_view in range(2):
        index = faiss.IndexBinaryFlat(8 * len(columns))
        index.add(np.ascontiguousarray(theirs[:, their_view][:, columns]))
        for my_view in range(2):
            for asked in (mine[:, my_view], mirrored_detail(mine[:, my_view])):
                query = np.ascontiguousarray(asked[:, columns])
                bits, rows = index.search(query, min(NUM_NEAREST, len(theirs)))
                yield rows, bits


def detail_hash(thumb: np.ndarray) -> np.ndarray:
    """(32,) uint8: the signs of the low DCT terms of an (S, S) thumbnail, packed."""
    small = cv2.resize(thumb, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:DETAIL_SIDE, :DETAIL_SIDE]
    low[0, 0] = 0
    return np.packbits(low.ravel() > 0)


def window_hashes(thumb: np.ndarray) -> np.ndarray:
    """(W, 32) uint8: detail hashes of windows of an (S, S) thumbnail."""
    side, out = len(thumb), []
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for share in WINDOW_SIDES:
        places = np.linspace(0, side * (1 - share), WINDOW_PLACES) + 0.5 * (share - 1)
        for y in places:
            for x in places:
                warp = np.array([[share, 0, x], [0, share, y]], np.float32)
                out.append(detail_hash(cv2.warpAffine(thumb, warp, (side, side), flags=flags)))
    return np.array(out)


def detail_of(rgb: np.ndarray) -> np.ndarray:
    """(32,) uint8: the detail hash of a decoded picture (H, W, 3), its border left on."""
    return detail_hash(thumbnail(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)))


def mirrored_detail(detail: np.ndarray) -> np.ndarray:
    """The detail hashes (N, 32) of the mirrored pictures: odd horizontal terms change sign."""
    odd = np.zeros((DETAIL_SIDE, DETAIL_SIDE), np.uint8)
    odd[:, 1::2] = 1
    return np.asarray(detail ^ np.packbits(odd.ravel()))


def details_of(thumbs: pa.ChunkedArray, trimmed: pa.ChunkedArray) -> np.ndarray:
    """(N, 2, 32) detail hashes from the thumbnail columns of the `measure` step."""
    out = np.zeros((len(thumbs), 2, DETAIL_SIDE**2 // 8), np.uint8)
    for row, views in enumerate(zip(thumbs.to_pylist(), trimmed.to_pylist())):
        for view, data in enumerate((views[0], views[1] or views[0])):
            if data is not None:
                out[row, view] = detail_hash(_thumb(data))
    return out


def _thumb(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8).reshape(THUMB_SIDE_PX, THUMB_SIDE_PX)


def take(
    pictures: Iterable[tuple[str, bytes]], name: str, model: str = "embedded"
) -> tuple[Prints, int]:
    """Fingerprints of (id, encoded bytes), and how many pictures did not decode."""
    from emo8.clip.encoder import load

    encoder, filters, undecoded = load(model), Copies(), 0
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
                "windows": window_hashes(_thumb(seen["thumb"])),
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
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    table = table.replace_schema_metadata({ABOUT_KEY: about})
    pq.write_table(table, partial, compression="zstd")
    partial.replace(path)


def read(path: Path) -> Prints:
    """The fingerprints in a file; Emo8Error when it is none, or of another recipe."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise Emo8Error(
            f"no fingerprints at {path}: make them with `emo8 fingerprint DATA -o {path}`"
        ) from None
    except (OSError, pa.ArrowInvalid) as error:
        raise Emo8Error(f"{path} cannot be read as fingerprints: {error}") from None
    stored = (table.schema.metadata or {}).get(ABOUT_KEY)
    if stored is None:
        raise Emo8Error(f"{path} holds no fingerprints: make them with `emo8 fingerprint`")
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
