"""Which pictures of one set are copies of those of another, by their fingerprints alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emo8.duplicates.fingerprints.file import Prints
from emo8.duplicates.fingerprints.hashes import DETAIL_BITS, DETAIL_SIDE, mirrored_detail
from emo8.duplicates.search import neighbours

DETAIL_COLUMNS = np.arange(DETAIL_SIDE**2 // 8)  # all bytes
# The lowest 8 x 8 terms: in smooth pictures the others are near zero and their signs are noise.
COARSE_COLUMNS = DETAIL_COLUMNS[:DETAIL_SIDE:2]
MAX_COARSE_DISTANCE = 4
MIN_COARSE_SIM = 0.97
NUM_NEAREST = 4  # of the other set, whose embeddings are asked too
MAX_WINDOW_DISTANCE = 36  # bits; 99 in 100 light crops leave 37
MIN_WINDOW_SIM = 0.9  # cosine of the embeddings of rows whose windows are compared
NUM_WINDOWED = 8  # nearest of the other set by embedding


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
