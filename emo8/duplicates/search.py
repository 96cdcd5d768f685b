"""Which rows are worth comparing: exact search among 64-bit hashes, wide search among vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

VERSION = 3  # of the searches; another one finds the pairs anew
MAX_EXACT_DISTANCE = 3
# Hashes within 3 bits agree in at least 2 of 5 bands of bits.
NUM_BANDS, NUM_EQUAL_BANDS = 5, 2
Choice = tuple[int, ...]
CHOICES: tuple[Choice, ...] = tuple(combinations(range(NUM_BANDS), NUM_EQUAL_BANDS))
_BITS = np.arange(64, dtype=np.uint64)
PIECE_ROWS = 1 << 20  # hashes of a mapped file in memory at a time
PLAIN_BLOCK = 48  # blocks up to this many hashes are compared all with all
MAX_DEPTH = 3  # after that, three times ten bits and more are equal: all with all is right
MAX_BRUTE_ROWS = 4096  # up to here a plain scan is as fast as an index
MAX_GRAPH_ROWS = 300_000  # up to here a graph in memory, of about 400 bytes a row
LISTS_PER_ROOT = 4  # beyond, so many lists for every root of the rows
NUM_PROBED = 32  # lists that are searched for a vector
TRAINED_ON = 48  # vectors for every list
STRIP_PAIRS = 500_000  # pairs in memory at a time
BLOCK_ROWS = 500_000  # of lists in one file


def near_pairs(phash: np.ndarray, max_distance: int) -> np.ndarray:
    """(P, 2) int64 row pairs, first < second, whose (N,) uint64 hashes differ in few bits.

    Exact for `max_distance` up to 3 between distinct hashes; a row whose hash came before is
    joined to the first row with it, so a hundred thousand identical hashes cost as many pairs.
    """
    _check_distance(max_distance)
    hashes, first, equal = distinct(phash, np.arange(len(phash)))
    found = [equal] + [
        first[block]
        for chosen in CHOICES
        for block in band_pairs(hashes, max_distance, chosen, 0, 1)
    ]
    pairs = np.sort(np.concatenate(found), axis=1)
    key = np.unique(pairs[:, 0] * len(phash) + pairs[:, 1])
    return np.stack(np.divmod(key, max(1, len(phash))), axis=1)


def distinct(hashes: np.ndarray, names: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every hash once in order, the name of its first row, and (P, 2) pairs of that and the others.

    `names` (N,) int64 ascend.
    """
    once, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    others = np.flatnonzero(first[inverse] != np.arange(len(hashes)))
    equal = np.stack([names[first[inverse[others]]], names[others]], axis=1)
    return once, names[first], equal


def band_pairs(
    hashes: np.ndarray, max_distance: int, chosen: Choice, shard: int, num_shards: int
) -> Iterator[np.ndarray]:
    """Row pairs of distinct hashes within the distance that agree in the `chosen` bands.

    Of them those that fall into one of `num_shards` shards; all shards of all CHOICES find all
    pairs. Hashes may be a mapped file: only those of the shard are held.
    """
    _check_distance(max_distance)
    if not max_distance:
        return
    rows = _rows_of_shard(hashes, chosen, shard, num_shards)
    held = np.asarray(hashes[rows])
    for block in _pairs_among(held, np.arange(len(held)), _BITS, max_distance, 0, [chosen]):
        yield rows[block]


def _check_distance(max_distance: int) -> None:
    if not 0 <= max_distance <= MAX_EXACT_DISTANCE:
        raise ValueError(f"distance {max_distance}: exact search goes from 0 up to 3 bits")


def _rows_of_shard(hashes: np.ndarray, chosen: Choice, shard: int, num_shards: int) -> np.ndarray:
    if num_shards == 1:
        return np.arange(len(hashes))
    bits, found = np.concatenate([_BITS[band::NUM_BANDS] for band in chosen]), []
    for start in range(0, len(hashes), PIECE_ROWS):
        key = _gather(np.asarray(hashes[start : start + PIECE_ROWS]), bits)
        found.append(start + np.flatnonzero(key % np.uint64(num_shards) == shard))
    return np.concatenate(found)


def _pairs_among(
    hashes: np.ndarray,
    rows: np.ndarray,
    bits: np.ndarray,
    max_distance: int,
    depth: int,
    choices: Sequence[Choice],
) -> Iterator[np.ndarray]:
    """Pairs among `rows`, found by the `bits` in which they may differ.

    Bits are dealt to the bands in turn, so that no band gets only the coarse ones, which are
    alike in many pictures. A block too large to compare is split again by its other bits.
    """
    bands = [bits[band::NUM_BANDS] for band in range(NUM_BANDS)]
    for chosen in choices:
        one, two = (_gather(hashes[rows], bands[band]) for band in chosen)
        key = one << np.uint64(len(bands[chosen[1]])) | two
        order = np.argsort(key, kind="stable")
        starts, sizes = _runs(key[order])
        plain = sizes <= PLAIN_BLOCK if depth < MAX_DEPTH else np.ones(len(sizes), bool)
        yield from _compare(hashes, rows[order], starts[plain], sizes[plain], max_distance)
        rest = np.sort(np.concatenate([bands[b] for b in range(NUM_BANDS) if b not in chosen]))
        for start, size in zip(starts[~plain], sizes[~plain]):
            block = rows[order[start : start + size]]
            yield from _pairs_among(hashes, block, rest, max_distance, depth + 1, CHOICES)


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

    A plain scan of few rows; of more a graph (FAISS HNSW over vectors of 8 bits a dimension:
    100,000 rows search 1.5 times as fast as with float32, in a quarter of the memory); of many
    lists around centres that a sample was trained for (FAISS IVF), in files of BLOCK_ROWS that are
    mapped into memory. All in a fixed order on one thread, so that the same vectors in the same
    pieces give the same neighbours on every run.
    """

    def __init__(self, sample: np.ndarray, num_rows: int, folder: Path | None = None) -> None:
        """`sample` (n, D) shows how the vectors lie; `num_rows` will be added.

        Lists lie in `folder`, where one is given.
        """
        import faiss

        dim, dot = sample.shape[1], faiss.METRIC_INNER_PRODUCT
        kind: Any = faiss.ScalarQuantizer.QT_8bit
        self.folder, self.size, self.written = folder, 0, 0
        self.centres: Any = faiss.IndexFlatIP(dim)
        index: Any = self.centres  # a plain scan
        if num_rows > MAX_GRAPH_ROWS:
            count = num_lists(num_rows)
            index = faiss.IndexIVFScalarQuantizer(self.centres, dim, count, kind, dot)
        elif num_rows > MAX_BRUTE_ROWS:
            index = faiss.IndexHNSWSQ(dim, kind, 16, dot)
            index.hnsw.efConstruction, index.hnsw.efSearch = 48, 64
        self.blocks = [index]
        with _one_thread():
            index.train(np.ascontiguousarray(sample, np.float32))

    @classmethod
    def open(cls, folder: Path) -> Nearest:
        """The rows that another process wrote into a folder, to search them."""
        import faiss

        opened = cls.__new__(cls)
        paths = sorted(folder.glob("nearest-*.faiss"))
        opened.blocks = [faiss.read_index(str(path), faiss.IO_FLAG_MMAP) for path in paths]
        opened.centres = getattr(opened.blocks[0], "quantizer", None)
        return opened

    def add(self, vectors: np.ndarray) -> None:
        index = self.blocks[0]
        rows = np.ascontiguousarray(vectors, np.float32)
        with _one_thread():
            if not hasattr(index, "nlist"):
                index.add(rows)
                return
            index.add_with_ids(rows, np.arange(self.size, self.size + len(rows)))
            self.size += len(rows)
            if self.folder and index.ntotal >= BLOCK_ROWS:
                self.write()
                index.reset()

    def write(self) -> None:
        """Write what was added since the last time as a file of `folder`."""
        import faiss

        assert self.folder is not None
        faiss.write_index(self.blocks[0], str(self.folder / f"nearest-{self.written:05d}.faiss"))
        self.written += 1

    def search(self, queries: np.ndarray, num: int) -> np.ndarray:
        """(Q, num) rows with the largest dot product, -1 where there are fewer."""
        asked = np.ascontiguousarray(queries, np.float32)
        with _one_thread():
            if not hasattr(self.blocks[0], "nlist"):
                return np.asarray(self.blocks[0].search(asked, num)[1])
            sims, lists = self.centres.search(asked, min(NUM_PROBED, self.centres.ntotal))
            found = []
            for block in self.blocks:
                block.nprobe = lists.shape[1]
                found.append(block.search_preassigned(asked, num, lists, sims))
        score, rows = (np.concatenate(side, axis=1) for side in zip(*found))
        best = np.argsort(-score, axis=1, kind="stable")[:, :num]
        return np.take_along_axis(rows, best, axis=1)


def num_lists(num_rows: int) -> int:
    return int(LISTS_PER_ROOT * num_rows**0.5)


def sample_rows(num_rows: int, least: int) -> int:
    """How many of the rows to show `Nearest` before they are added; `least` where it is a graph."""
    return TRAINED_ON * num_lists(num_rows) if num_rows > MAX_GRAPH_ROWS else least


def neighbours(base: np.ndarray, queries: np.ndarray, num: int) -> np.ndarray:
    """(Q, num) rows of the (N, D) `base` with the largest dot product, -1 where there are fewer."""
    step = max(1, len(base) // sample_rows(len(base), len(base))) if len(base) else 1
    index = Nearest(base[::step], len(base))
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
