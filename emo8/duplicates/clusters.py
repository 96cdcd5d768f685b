"""Clusters of copies, and which of their rows stay."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

# What a licence allows, most first; a licence nobody knows comes last. Matched by prefix.
LICENSE_RANKS: tuple[tuple[str, ...], ...] = (
    ("cc0", "public domain", "publicdomain", "pd", "unlicense", "wtfpl"),
    ("mit", "apache", "bsd", "isc", "zlib", "cc-by-4", "cc-by-3", "cc-by-2", "cc by 4", "ofl"),
    ("cc-by-sa", "cc by-sa", "gpl", "lgpl", "agpl", "mpl", "fal", "gfdl"),
    ("cc-by-nc", "cc-by-nd", "cc by-nc", "cc by-nd"),
)
STEPS = 2  # a row leaves when it is at most so many copies away from the row that stays


def roots(num_rows: int, pairs: np.ndarray) -> np.ndarray:
    """(N,) int64: for each row the first row of its cluster, the rows that pairs join."""
    if not len(pairs):
        return np.arange(num_rows)
    _, label = connected_components(_graph(num_rows, pairs), directed=False)
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    return np.asarray(first[inverse])


def survivors(num_rows: int, pairs: np.ndarray, preference: np.ndarray) -> np.ndarray:
    """(N,) int64: for each row the row that stays in its place, itself where it stays.

    The most preferred row of a cluster stays (`preference`: (N,) distinct ranks, least first).
    What is two copies away or less leaves in its favour; in a longer chain of slight changes the
    ends may differ visibly, so the best of the rest stays too, in the same cluster.
    """
    keeper = np.arange(num_rows)
    if not len(pairs):
        return keeper
    graph = _graph(num_rows, np.concatenate([pairs, pairs[:, ::-1]]))
    settled = np.zeros(num_rows, bool)
    members = np.unique(pairs)
    for row in members[np.argsort(preference[members])].tolist():
        if settled[row]:
            continue
        settled[row] = True
        for copy in _within(graph, row):
            if not settled[copy]:
                settled[copy], keeper[copy] = True, row
    return keeper


def license_rank(license: str) -> int:
    """Position in LICENSE_RANKS; their number for a licence that is none of them."""
    name = license.strip().lower()
    for rank, prefixes in reversed(list(enumerate(LICENSE_RANKS))):  # the narrower ones first
        if name.startswith(prefixes):
            return rank
    return len(LICENSE_RANKS)


def _graph(num_rows: int, pairs: np.ndarray) -> csr_array:
    ones = np.ones(len(pairs), bool)
    return coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(num_rows, num_rows)).tocsr()


def _within(graph: csr_array, row: int) -> list[int]:
    """Rows at most STEPS pairs away from `row`."""
    reached, edge = {row}, [row]
    for _ in range(STEPS):
        beyond = np.concatenate([_linked(graph, other) for other in edge])
        edge = [other for other in np.unique(beyond).tolist() if other not in reached]
        if not edge:
            break
        reached.update(edge)
    return sorted(reached - {row})


def _linked(graph: csr_array, row: int) -> np.ndarray:
    return np.asarray(graph.indices[graph.indptr[row] : graph.indptr[row + 1]])
