"""Which rows are worth comparing: exact search among 64-bit hashes, wide search among vectors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import numpy as np

VERSION = 3  # of the searches; another one finds the pairs anew
MAX_EXACT_DISTANCE = 3
# Hashes within 3 bits agree in at least 2 of 5 bands of bits.
NUM_BANDS, NUM_EQUAL_BANDS = 5, 2
PLAIN_BLOCK = 48  # blocks up to this many hashes are compared all with all
MAX_DEPTH = 3  # after that, three times ten bits and more are equal: all with all is right
MAX_BRUTE_ROWS = 4096  # up to here a plain scan is as fast as an index
STRIP_PAIRS = 500_000  # pairs in memory at a time


def near_pairs(phash: np.ndarray, max_distance: int) -> np.ndarray:
    """(P, 2) int64 row pairs, first < second, whose (N,) uint64 hashes differ in few bits.

    Exact for `max_distance` up to 3 between distinct hashes; a row whose hash came before is
    joined to the first row with it, so a hundred thousand identical hashes cost as many pairs.
    """
    if not 0 <= max_distance <= MAX_EXACT_DISTANCE:
        raise ValueError(f"distance {max_distance}: exact search goes from 0 up to 3 bits")
    distinct, first, inverse = np.unique(phash, return_index=True, return_inverse=True)
    copies = np.flatnonzero(first[inverse] != np.arange(len(phash)))
    found = [np.stack([first[inverse[copies]], copies], axis=1)]
    if max_distance:
        bits = np.arange(64, dtype=np.uint64)
        blocks = _distinct_pairs(distinct, np.arange(len(distinct)), bits, max_distance, 0)
        found += [first[block] for block in blocks]
    pairs = np.sort(np.concatenate(found).astype(np.int64), axis=1)
    key = np.unique(pairs[:, 0] * len(phash) + pairs[:, 1])
    return np.stack(np.divmod(key, max(1, len(phash))), axis=1)


def _distinct_pairs(
    hashes: np.ndarray, rows: np.ndarray, bits: np.ndarray, max_distance: int, depth: int
) -> Iterator[np.ndarray]:
    """Pairs among `rows`, found by the `bits` in which they may differ.

    Bits are dealt to the bands in turn, so that no band gets only the coarse ones, which are
    alike in many pictures. A block too large to compare is split again by its other bits.
    """
    bands = [bits[band::NUM_BANDS] for band in range(NUM_BANDS)]
    keys = [_gather(hashes[rows], band) for band in bands]
    for chosen in combinations(range(NUM_BANDS), NUM_EQUAL_BANDS):
        key = keys[chosen[0]] << np.uint64(len(bands[chosen[1]])) | keys[chosen[1]]
        order = np.argsort(key, kind="stable")
        starts, sizes = _runs(key[order])
        plain = sizes <= PLAIN_BLOCK if depth < MAX_DEPTH else np.ones(len(sizes), bool)
        yield from _compare(hashes, rows[order], starts[plain], sizes[plain], max_distance)
        rest = np.concatenate([bands[b] for b in range(NUM_BANDS) if b not in chosen])
        for start, size in zip(starts[~plain], sizes[~plain]):
            block = rows[order[start : start + size]]
            yield from _distinct_pairs(hashes, block, np.sort(rest), max_distance, depth + 1)


def _gather(hashes: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """(N,) uint64 keys: the chosen bits of every hash, side by side."""
    key = np.zeros(len(hashes), np.uint64)
    for position, bit in enumerate(bits):
        key |= ((hashes >> bit) & np.uint64(1)) << np.uint64(position)
    return key


def _runs(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and size of every run of at least two equal values."""
    edges = np.flatnonzero(np.diff(ordered)) + 1
    starts = np.concatenate([[0], edges])
    sizes = np.diff(np.concatenate([starts, [len(ordered)]]))
    return starts[sizes > 1], sizes[sizes > 1]


def _compare(
    hashes: np.ndarray, rows: np.ndarray, starts: np.ndarray, sizes: np.ndarray, max_distance: int
) -> Iterator[np.ndarray]:
    """Pairs within the distance inside each block of `rows`, blocks of one size together."""
    for size in np.unique(sizes):
        of_size = starts[sizes == size]
        left, right = np.triu_indices(size, 1) if size <= 2048 else (None, None)
        if left is None:
            for start in of_size:
                yield from _compare_large(hashes, rows[start : start + size], max_distance)
            continue
        per_strip = max(1, STRIP_PAIRS // len(left))
        for begin in range(0, len(of_size), per_strip):
            at = of_size[begin : begin + per_strip, None]
            one, two = rows[at + left].ravel(), rows[at + right].ravel()
            close = np.bitwise_count(hashes[one] ^ hashes[two]) <= max_distance
            yield np.stack([one[close], two[close]], axis=1)


def _compare_large(
    hashes: np.ndarray, block: np.ndarray, max_distance: int
) -> Iterator[np.ndarray]:
    """Pairs within the distance in one large block, a strip of its rows at a time."""
    strip = max(1, STRIP_PAIRS // len(block))
    for start in range(0, len(block), strip):
        rows = block[start : start + strip]
        distance = np.bitwise_count(hashes[rows][:, None] ^ hashes[block][None, :])
        left, right = np.nonzero(distance <= max_distance)
        pairs = np.stack([rows[left], block[right]], axis=1)
        yield pairs[pairs[:, 0] < pairs[:, 1]]


class Nearest:
    """Rows by dot product of their (D,) vectors, added in pieces.

    Approximate on many rows (FAISS HNSW over vectors of 8 bits a dimension: 100,000 rows search 1.5
    times as fast as with float32, in a quarter of the memory), in a fixed order on one thread, so
    that the same vectors in the same pieces give the same neighbours on every run.
    """

    def __init__(self, sample: np.ndarray, num_rows: int) -> None:
        """`sample` (n, D) shows the range of every dimension; `num_rows` will be added."""
        import faiss

        dim = sample.shape[1]
        self.index: Any = faiss.IndexFlatIP(dim)
        if num_rows > MAX_BRUTE_ROWS:
            kind: Any = faiss.ScalarQuantizer.QT_8bit
            self.index = faiss.IndexHNSWSQ(dim, kind, 16, faiss.METRIC_INNER_PRODUCT)
            self.index.hnsw.efConstruction, self.index.hnsw.efSearch = 48, 64
            self.index.train(np.ascontiguousarray(sample, np.float32))

    def add(self, vectors: np.ndarray) -> None:
        with _one_thread():
            self.index.add(np.ascontiguousarray(vectors, np.float32))

    def search(self, queries: np.ndarray, num: int) -> np.ndarray:
        """(Q, num) rows with the largest dot product, -1 where there are fewer."""
        with _one_thread():
            found = self.index.search(np.ascontiguousarray(queries, np.float32), num)[1]
        return np.asarray(found)


def neighbours(base: np.ndarray, queries: np.ndarray, num: int) -> np.ndarray:
    """(Q, num) rows of the (N, D) `base` with the largest dot product, -1 where there are fewer."""
    index = Nearest(base, len(base))
    index.add(base)
    return index.search(queries, num)


@contextmanager
def _one_thread() -> Iterator[None]:
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
