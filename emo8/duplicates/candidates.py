"""Pairs of pictures that are worth comparing, from two searches that are cut into pieces.

Exact: hashes of any two views within a few bits, a piece for each choice of bands and shard of the
hashes. Wide: the nearest neighbours by coarse layout and CLIP embedding together, a piece for some
rows. What the pieces share (`Prepared`) lies in files, so that any process can search any piece;
`emo8.duplicates.pairs` merges what they find on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emo8.core.settings import DecideConfig
from emo8.duplicates import search
from emo8.duplicates.verify import plausible
from emo8.duplicates.views import HASHES, Views, mirrored

EMBEDDING_WEIGHT = 0.7  # beside the layout's 1: found by recall at 8 neighbours, flat around it
PROJECTED_DIM = 128  # wider embeddings are projected for the search
SEARCH_ROWS = 8192  # vectors in memory at a time
SHARD_HASHES = 4_000_000  # that one piece holds, about 40 bytes each
_FILES = ("distinct.npy", "first.npy", "equal.npy", "searched.npy")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some of the searching: rows from `start` on, or hashes of a shard that agree in `bands`."""

    bands: search.Choice = ()
    shard: int = 0
    num_shards: int = 1
    start: int = 0


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What every piece reads; N pictures, of which M views are searched by their vectors."""

    distinct: np.ndarray  # every hash once
    first: np.ndarray  # its first view: the number of the view times N, plus that of the picture
    equal: np.ndarray  # (P, 2) views of equal hashes
    searched: np.ndarray  # (M,) views, all straight ones and those that a border can be trimmed of
    index: search.Nearest | None  # of their vectors; None where nobody asks

    def pieces(self) -> list[Piece]:
        num_shards = -(-max(1, len(self.distinct)) // SHARD_HASHES)
        return [
            Piece(bands=bands, shard=shard, num_shards=num_shards)
            for bands in search.CHOICES
            for shard in range(num_shards)
        ] + [
            Piece(start=start)
            for start in range(0, len(self.searched) if self.index else 0, SEARCH_ROWS)
        ]


def prepare(views: Views, config: DecideConfig, folder: Path | None = None) -> Prepared:
    """What the pieces need, in files of `folder` where one is given, else in memory."""
    hashes = [
        search.distinct(*_hashes(views.hashes, low, high)) for low, high in _ranges(views.hashes)
    ]
    once, first, equal = (np.concatenate(side) for side in zip(*hashes))
    searched, index = np.zeros(0, np.int64), None
    if config.near_neighbours and len(views) > 1:
        searched = _searched(views)
        index = _indexed(views, searched, folder)
    if folder:
        for name, array in zip(_FILES, (once, first, equal, searched)):
            np.save(folder / name, array)
        if index:
            index.write()
    return Prepared(distinct=once, first=first, equal=equal, searched=searched, index=index)


def open_prepared(folder: Path) -> Prepared:
    """What `prepare` wrote into a folder."""
    distinct, first, equal, searched = (np.load(folder / name, mmap_mode="r") for name in _FILES)
    index = search.Nearest.open(folder) if len(searched) else None
    return Prepared(distinct=distinct, first=first, equal=equal, searched=searched, index=index)


def candidates(views: Views, config: DecideConfig) -> np.ndarray:
    """(P, 2) int32 row pairs worth comparing, first < second, found in this process."""
    prepared = prepare(views, config)
    found = [equal_pairs(views, prepared, config)]
    found += [find(views, prepared, piece, config) for piece in prepared.pieces()]
    return np.unique(np.concatenate(found), axis=0).astype(np.int32)


def equal_pairs(views: Views, prepared: Prepared, config: DecideConfig) -> np.ndarray:
    """(P, 2) distinct pairs worth comparing among the pictures of which views have equal hashes."""
    return plausible(views, _pictures(prepared.equal, len(views)), config.min_crop_sim)


def find(views: Views, prepared: Prepared, piece: Piece, config: DecideConfig) -> np.ndarray:
    """(P, 2) distinct pairs worth comparing that a piece finds, first < second."""
    if piece.bands:
        found = search.band_pairs(
            prepared.distinct, config.max_near_distance, piece.bands, piece.shard, piece.num_shards
        )
        blocks = [prepared.first[block] for block in found]
        pairs = _pictures(np.concatenate([_NONE, *blocks]), len(views))
    else:
        pairs = _nearest(views, prepared, piece.start, config.near_neighbours)
    return plausible(views, pairs, config.min_crop_sim)


_NONE = np.empty((0, 2), np.int64)


def _ranges(hashes: np.ndarray) -> Iterator[tuple[np.uint64, np.uint64]]:
    """Least and largest hash of ranges that hold about SHARD_HASHES each."""
    num = -(-2 * max(1, len(hashes)) // SHARD_HASHES)
    sample = np.sort(np.asarray(hashes[:: max(1, len(hashes) // 65_536), 0]))
    inner = np.unique(sample[[len(sample) * number // num for number in range(1, num)]])
    edges = np.concatenate([np.zeros(1, np.uint64), inner[inner > 0]])
    last = np.array([np.iinfo(np.uint64).max], np.uint64)
    yield from zip(edges, np.concatenate([edges[1:] - np.uint64(1), last]))


def _hashes(hashes: np.ndarray, low: np.uint64, high: np.uint64) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all views in a range, and the numbers of the views; trimmed ones where they differ.

    `hashes` is (N, 4) in the order of HASHES.
    """
    found, names, step = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)], search.PIECE_ROWS
    for view in range(len(HASHES)):
        for start in range(0, len(hashes), step):
            part = np.asarray(hashes[start : start + step])
            inside = (part[:, view] >= low) & (part[:, view] <= high)
            if view % 2:
                inside &= (part[:, 0] != part[:, 1]) | (part[:, 2] != part[:, 3])
            found.append(part[inside, view])
            names.append(view * len(hashes) + start + np.flatnonzero(inside))
    return np.concatenate(found), np.concatenate(names)


def _pictures(views: np.ndarray, num_rows: int) -> np.ndarray:
    """Pairs of pictures from pairs of their views; two mirrored ones say what two straight do."""
    both_mirrored = (views >= 2 * num_rows).all(axis=1)
    return _ordered(views[~both_mirrored] % max(1, num_rows), num_rows)


def _searched(views: Views) -> np.ndarray:
    """(M,) views to search: all as they are, and the trimmed ones as well."""
    trimmed = [
        start + np.flatnonzero((part[:, 0] != part[:, 1]).any(axis=1))
        for start in range(0, len(views), SEARCH_ROWS)
        for part in [views.layout[start : start + SEARCH_ROWS]]
    ]
    return np.concatenate([np.arange(len(views)), *(len(views) + rows for rows in trimmed)])


def _indexed(views: Views, searched: np.ndarray, folder: Path | None) -> search.Nearest:
    """An index of these views' vectors, made a piece at a time: trained once, then filled."""
    shown = search.sample_rows(len(searched), SEARCH_ROWS)
    sample = _vectors(views, searched[:: -(-len(searched) // shown)])[0]
    index = search.Nearest(sample, len(searched), folder)
    for start in range(0, len(searched), SEARCH_ROWS):
        index.add(_vectors(views, searched[start : start + SEARCH_ROWS])[0])
    return index


def _nearest(views: Views, prepared: Prepared, start: int, num_neighbours: int) -> np.ndarray:
    """Distinct row pairs of which one, of the piece, has the other among its nearest."""
    assert prepared.index is not None
    asked, found = prepared.searched[start : start + SEARCH_ROWS], [_NONE]
    for vectors in _vectors(views, asked):
        near = prepared.index.search(vectors, num_neighbours + 1)
        row = np.repeat(asked, num_neighbours + 1)[near.ravel() >= 0]
        found.append(np.stack([row, prepared.searched[near[near >= 0]]], axis=1))
    return _ordered(np.concatenate(found) % len(views), len(views))


def _vectors(views: Views, searched: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Layout and embedding side by side, (n, D) each: the views straight, and mirrored."""
    view, rows = np.divmod(searched, len(views))
    layout = views.layout[rows, view]
    embedding = EMBEDDING_WEIGHT * _projected(views.embedding[rows])
    return np.hstack([layout, embedding]), np.hstack([mirrored(layout), embedding])


def _projected(embedding: np.ndarray) -> np.ndarray:
    """Embeddings (N, D) as unit vectors of at most PROJECTED_DIM dimensions."""
    if embedding.shape[1] > PROJECTED_DIM:
        rng = np.random.default_rng(0)
        matrix = rng.standard_normal((embedding.shape[1], PROJECTED_DIM), dtype=np.float32)
        embedding = embedding @ matrix
    norm = np.linalg.norm(embedding, axis=1, keepdims=True)
    return np.asarray(embedding / np.maximum(norm, 1e-9))


def _ordered(pairs: np.ndarray, num_rows: int) -> np.ndarray:
    """Distinct pairs of different rows, the smaller row first."""
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    keys = np.unique(pairs[:, 0] * num_rows + pairs[:, 1])
    return np.stack(np.divmod(keys, max(1, num_rows)), axis=1)
