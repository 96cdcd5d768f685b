"""Splits: every cluster of copies falls whole into one split, and stays there as the data grow."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from emo8.config import SplitsConfig

SPLITS: tuple[str, ...] = ("train", "val", "test")


def assign(clusters: pd.Series, config: SplitsConfig, seed: int) -> pd.Series:
    """The split of each row, from the hash of its cluster's oldest id and the seed alone.

    The draw of one cluster does not depend on any other, so added rows move nobody. Shares are
    therefore met on average, not exactly.
    """
    edges = np.cumsum([config.train, config.val, config.test])
    draws = clusters.map(lambda cluster: _uniform(f"{seed}:{cluster}"))
    index = np.searchsorted(edges, draws.to_numpy(dtype=float), side="right")
    names = np.asarray(SPLITS)[np.minimum(index, len(SPLITS) - 1)]
    return pd.Series(names, index=clusters.index, dtype=object)


def keep_claimed(assigned: pd.Series, clusters: pd.Series, claimed: pd.Series) -> pd.Series:
    """The assigned splits, but for clusters with a claimed one (null = none): theirs is kept.

    A cluster stays whole: where its rows claim several, test goes before val before train, so
    that a copy of a test picture never trains.
    """
    strict = {"test": 0, "val": 1, "train": 2}
    rank = claimed.map(strict).groupby(clusters).transform("min")
    kept = rank.map({number: split for split, number in strict.items()})
    return kept.astype(object).where(kept.notna(), assigned)


def _uniform(key: str) -> float:
    """A number in [0, 1) that depends on `key` only."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
