"""Copies of one picture: exact ones by hash of bytes or pixels, near ones by two witnesses.

A near copy must have a perceptual hash within a few bits and a CLIP embedding that agrees.
Neighbours are joined into clusters, so a chain of copies is one cluster.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

NUM_BANDS = 4  # of 16 bits: two hashes within 3 bits share at least one band exactly


def near_pairs(phash: np.ndarray, max_distance: int) -> np.ndarray:
    """(P, 2) int64 row pairs, first < second, whose (N,) uint64 hashes differ in few bits.

    Exact for `max_distance` up to 3. Equal hashes are joined as a chain, not as all pairs, so a
    hundred thousand identical hashes cost a hundred thousand pairs.
    """
    if max_distance >= NUM_BANDS:
        raise ValueError(f"max_near_distance = {max_distance}: exact search goes up to 3 bits")
    distinct, first, inverse = np.unique(phash, return_index=True, return_inverse=True)
    same = np.flatnonzero(first[inverse] != np.arange(len(phash)))
    found = [np.stack([first[inverse[same]], same], axis=1)]
    for band in range(NUM_BANDS):
        key = (distinct >> np.uint64(16 * band)) & np.uint64(0xFFFF)
        for block in _equal_runs(key):
            found.append(first[_close(distinct, block, max_distance)])
    pairs = np.unique(np.sort(np.concatenate(found).astype(np.int64), axis=1), axis=0)
    return pairs


def _equal_runs(key: np.ndarray) -> Iterator[np.ndarray]:
    """Index arrays of the entries that share a key with at least one other."""
    order = np.argsort(key, kind="stable")
    ends = np.flatnonzero(np.diff(key[order])) + 1
    for run in np.split(order, ends):
        if len(run) > 1:
            yield run


def _close(hashes: np.ndarray, block: np.ndarray, max_distance: int) -> np.ndarray:
    """(P, 2) pairs of entries of `block` within the distance, a strip at a time."""
    out = [np.empty((0, 2), np.int64)]
    strip = max(1, 4_000_000 // len(block))
    for start in range(0, len(block), strip):
        rows = block[start : start + strip]
        distance = np.bitwise_count(hashes[rows][:, None] ^ hashes[block][None, :])
        left, right = np.nonzero(distance <= max_distance)
        pairs = np.stack([rows[left], block[right]], axis=1)
        out.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(out)


def hash_distance(phash: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(P,) bits by which the hashes of each pair differ."""
    return np.bitwise_count(phash[pairs[:, 0]] ^ phash[pairs[:, 1]]).astype(np.int64)


def agree(vectors: np.ndarray, pairs: np.ndarray, min_sim: np.ndarray | float) -> np.ndarray:
    """(P,) bool: the second witness, cosine of the two rows' (N, D) vectors at least `min_sim`."""
    out = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), 65_536):  # bounded memory on many pairs
        part = pairs[start : start + 65_536]
        left, right = vectors[part[:, 0]], vectors[part[:, 1]]
        norm = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        out[start : start + 65_536] = (left * right).sum(axis=1) / np.maximum(norm, 1e-9)
    return np.asarray(out >= min_sim)


def clusters(num_rows: int, pairs: np.ndarray) -> np.ndarray:
    """(N,) int64: for each row the first row of its cluster."""
    if not len(pairs):
        return np.arange(num_rows)
    ones = np.ones(len(pairs), bool)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(num_rows, num_rows))
    _, label = connected_components(graph, directed=False)
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    return np.asarray(first[inverse])
