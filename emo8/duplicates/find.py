"""Pairs of rows that are near copies, with the numbers that say so.

Candidates come from two searches: hashes of any two views within 3 bits (exact), and the nearest
neighbours by coarse layout and CLIP embedding together (wide). Each is then compared by its
thumbnails (`emo8.duplicates.verify`); the thresholds of the recipe decide afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

from emo8.core import label_set
from emo8.core.settings import DecideConfig
from emo8.duplicates import search
from emo8.duplicates.verify import UNLIKE, compare, plausible
from emo8.duplicates.views import Views, mirrored

EMBEDDING_WEIGHT = 0.7  # beside the layout's 1: found by recall at 8 neighbours, flat around it
PROJECTED_DIM = 128  # wider embeddings are projected for the search
SEARCH_ROWS = 8192  # vectors in memory at a time
POSSIBLE = 1.5  # times the threshold: such pairs are shown as possible copies, and stay
NUMBERS = ("distance", "sim", "residual", "crop_residual", "colour", "mirrored")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Thresholds of N rows, by their styles; of two rows the stricter one counts."""

    min_sim: np.ndarray
    residual: np.ndarray
    crop_residual: np.ndarray
    colour: np.ndarray


def limits_of(styles: Sequence[str | None], config: DecideConfig) -> Limits:
    """The thresholds of rows with these styles; a row without style gets the common ones."""
    known = {style: config.for_style(style) for style in (*label_set.styles(), "")}
    rows = [known[style or ""] for style in styles]
    return Limits(
        min_sim=np.array([row.min_near_sim for row in rows], np.float32),
        residual=np.array([row.max_near_residual for row in rows], np.float32),
        crop_residual=np.array([row.max_crop_residual for row in rows], np.float32),
        colour=np.array([row.max_near_colour for row in rows], np.float32),
    )


def candidates(views: Views, config: DecideConfig) -> np.ndarray:
    """(P, 2) int32 row pairs worth comparing, first < second, from both searches."""
    found: Iterable[np.ndarray] = [hash_candidates(views.hashes, config.max_near_distance)]
    if config.near_neighbours and len(views) > 1:
        found = chain(found, wide_candidates(views, config.near_neighbours))
    worth = (plausible(views, pairs, config.min_crop_sim) for pairs in found)
    keys = np.unique(np.concatenate([key(pairs, len(views)) for pairs in worth]))
    return _pairs(keys, len(views)).astype(np.int32)


def hash_candidates(hashes: np.ndarray, max_distance: int) -> np.ndarray:
    """Row pairs of which any two views have (N, 4) hashes within `max_distance` bits."""
    trimmed = np.flatnonzero((hashes[:, 0] != hashes[:, 1]) | (hashes[:, 2] != hashes[:, 3]))
    every = np.arange(len(hashes))
    row = np.concatenate([every, trimmed, every, trimmed])
    views = [hashes[:, 0], hashes[trimmed, 1], hashes[:, 2], hashes[trimmed, 3]]
    pairs = search.near_pairs(np.concatenate(views), max_distance)
    both_mirrored = (pairs >= len(row) // 2).all(axis=1)  # says the same as both straight
    return _ordered(row[pairs[~both_mirrored]], len(hashes))


def wide_candidates(views: Views, num_neighbours: int) -> Iterator[np.ndarray]:
    """Row pairs of which one is among the other's nearest by layout and embedding, piece by piece.

    A row whose border can be trimmed stands in the index twice. Vectors are made a piece at a time,
    so that memory holds the index and little else.
    """
    rows, view = _searched_views(views)
    starts = range(0, len(rows), SEARCH_ROWS)
    sample = slice(None, None, -(-len(rows) // SEARCH_ROWS))
    index = search.Nearest(_vectors(views, rows[sample], view[sample])[0], len(rows))
    for start in starts:
        piece = slice(start, start + SEARCH_ROWS)
        index.add(_vectors(views, rows[piece], view[piece])[0])
    for start in starts:
        piece = slice(start, start + SEARCH_ROWS)
        for vectors in _vectors(views, rows[piece], view[piece]):
            found = index.search(vectors, num_neighbours + 1)
            asked = np.repeat(rows[piece], num_neighbours + 1)[found.ravel() >= 0]
            named = np.stack([asked, rows[found[found >= 0]]], axis=1)
            yield _ordered(named, len(views))


def _searched_views(views: Views) -> tuple[np.ndarray, np.ndarray]:
    """(M,) rows and their views to search: all as they are, and the trimmed ones as well."""
    trimmed = [
        start + np.flatnonzero((part[:, 0] != part[:, 1]).any(axis=1))
        for start in range(0, len(views), SEARCH_ROWS)
        for part in [views.layout[start : start + SEARCH_ROWS]]
    ]
    rows = np.concatenate([np.arange(len(views)), *trimmed])
    return rows, (np.arange(len(rows)) >= len(views)).astype(np.int64)


def _vectors(views: Views, rows: np.ndarray, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Layout and embedding side by side, (n, D) each: the views straight, and mirrored."""
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
    return _pairs(np.unique(key(pairs, num_rows)), num_rows)


def key(pairs: np.ndarray, num_rows: int) -> np.ndarray:
    """(P,) int64, one number a pair: in their order, and half the memory."""
    return pairs[:, 0].astype(np.int64) * num_rows + pairs[:, 1]


def _pairs(keys: np.ndarray, num_rows: int) -> np.ndarray:
    return np.stack(np.divmod(keys, max(1, num_rows)), axis=1)


def measured(views: Views, pairs: np.ndarray, min_crop_sim: float) -> pd.DataFrame:
    """One line per pair: left, right, and `NUMBERS`."""
    compared = compare(views, pairs, min_crop_sim)
    return pd.DataFrame(
        {
            "left": pairs[:, 0],
            "right": pairs[:, 1],
            "distance": hash_distance(views.hashes, pairs),
            "sim": compared.sim,
            "residual": compared.residual,
            "crop_residual": compared.crop_residual,
            "colour": compared.colour,
            "mirrored": compared.mirrored,
        }
    )


def hash_distance(hashes: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(P,) fewest bits by which the hashes of any two views of each pair differ."""
    least = np.full(len(pairs), 64, np.int64)
    for own in range(2):
        for other in range(hashes.shape[1]):
            differ = hashes[pairs[:, 0], own] ^ hashes[pairs[:, 1], other]
            least = np.minimum(least, np.bitwise_count(differ))
    return least


def possible(config: DecideConfig) -> str:
    """SQL: what stored pairs that `judged` may tell something of have in common, by any style."""
    limits = limits_of([*label_set.styles(), None], config)
    residual = POSSIBLE * float(limits.residual.max())
    crop = POSSIBLE * float(limits.crop_residual.max())
    return f"(residual <= {residual} OR crop_residual <= {crop})"


def judged(found: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """The pairs that are copies or possibly copies, as `verdict` and `relation` say."""
    left, right = found["left"].to_numpy(), found["right"].to_numpy()
    framed = found["residual"] / np.minimum(limits.residual[left], limits.residual[right])
    crop = found["crop_residual"] / np.minimum(
        limits.crop_residual[left], limits.crop_residual[right]
    )
    sim_ok = found["sim"] >= np.minimum(limits.min_sim[left], limits.min_sim[right])
    colour_ok = found["colour"] <= np.minimum(limits.colour[left], limits.colour[right])
    score = np.minimum(framed, crop).where(sim_ok, UNLIKE)
    relation = np.where(found["mirrored"], "mirrored", "same frame")
    relation = np.where(framed <= crop, relation, "light crop")
    verdict = np.where((score <= 1) & colour_ok, "copy", "possible")
    told = found.assign(relation=relation, verdict=verdict)
    return told[score <= POSSIBLE].reset_index(drop=True)
