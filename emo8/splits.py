"""Splits: clusters of copies fall whole into one split, and stay there as the data grow.

Every cluster draws by the hash of its oldest id and the seed, so the draw of one depends on no
other. The build remembers what it drew (`tables/splits.parquet`), and `[splits] keep` names
datasets published before: remembered rows do not move, and new rows join the split of the cluster
they fall into. Where a new cell of emotion x style would miss its shares by more than
`max(1 row, splits.tolerance of the cell)`, new clusters whose draw was nearest to the edge move;
that is what makes the splits stratified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.config import SplitsConfig
from emo8.errors import SourceError
from emo8.parts import fingerprint, read_fingerprint, write_part

SPLITS: tuple[str, ...] = ("train", "val", "test")
TABLE = "splits.parquet"  # in tables/
_PRIORITY = {"test": 2, "val": 1, "train": 0}  # who stays when a new row joins two clusters


def earlier_splits(
    build: Path, recipe_dir: Path, config: SplitsConfig, seed: int
) -> dict[str, str]:
    """Id -> split of everything an earlier run or a dataset in `keep` has placed."""
    known: dict[str, str] = {}
    for name in config.keep:
        known.update(_published(recipe_dir / name))
    path = build / "tables" / TABLE
    if read_fingerprint(path) == _mark(config, seed):
        table = pq.read_table(path)
        known.update(zip(table["id"].to_pylist(), table["split"].to_pylist()))
    return known


def remember(
    build: Path, verdicts: pd.DataFrame, earlier: Mapping[str, str], config: SplitsConfig, seed: int
) -> None:
    """Write where every row of a cluster is; rows that are gone are remembered too."""
    placed = _placed(verdicts)
    known = {**earlier, **dict(zip(placed["id"], placed["split"]))}
    ordered = sorted(known.items())
    table = pa.table(
        {"id": [key for key, _ in ordered], "split": [split for _, split in ordered]},
        schema=pa.schema([("id", pa.string()), ("split", pa.string())]),
    )
    write_part(table, build / "tables" / TABLE, _mark(config, seed))


def losing_rows(ids: pd.Series, root: np.ndarray, earlier: Mapping[str, str]) -> np.ndarray:
    """(N,) bool: rows placed earlier on the train side of a cluster that joins two splits.

    `root` (N,) names each row's cluster. Rows never placed before lose nothing.
    """
    side = ids.map(earlier).map(_PRIORITY).fillna(-1).to_numpy(int)
    highest = np.full(int(root.max(initial=-1)) + 1, -1)
    np.maximum.at(highest, root, side)
    return np.asarray((side >= 0) & (side < highest[root]))


def assign(
    verdicts: pd.DataFrame, earlier: Mapping[str, str], config: SplitsConfig, seed: int
) -> pd.Series:
    """The split of each row (`id`, `cluster`, `emotion`, `style`, `reason`)."""
    side = verdicts["id"].map(earlier).map(_PRIORITY)
    of_cluster = side.groupby(verdicts["cluster"]).max()
    names = {value: name for name, value in _PRIORITY.items()}
    placed = {str(key): names[int(value)] for key, value in of_cluster.dropna().items()}
    drawn = _drawn(verdicts, placed, config, seed)
    split = verdicts["cluster"].map({**drawn, **placed})
    bridged = verdicts["reason"] == "split_bridge"  # they keep the side they were on
    return split.where(~bridged, verdicts["id"].map(earlier)).astype(object)


def _drawn(
    verdicts: pd.DataFrame, placed: Mapping[str, str], config: SplitsConfig, seed: int
) -> dict[str, str]:
    """Cluster -> split for the clusters nobody placed before, stratified."""
    edges = np.cumsum([config.train, config.val, config.test])
    fresh = [c for c in verdicts["cluster"].dropna().unique().tolist() if c not in placed]
    draw = {cluster: _uniform(f"{seed}:{cluster}") for cluster in fresh}
    index = np.searchsorted(edges, list(draw.values()), side="right")
    split = dict(zip(fresh, np.asarray(SPLITS)[np.minimum(index, len(SPLITS) - 1)].tolist()))
    kept = verdicts[verdicts["reason"].isna()]
    for _, cell in kept.groupby(["style", "emotion"], sort=True):
        _even_out(cell["cluster"], {**placed, **split}, draw, split, config)
    return split


def _even_out(
    clusters: pd.Series,
    now: dict[str, str],
    draw: Mapping[str, float],
    split: dict[str, str],
    config: SplitsConfig,
) -> None:
    """Move new clusters of one cell until no split is off by more than the tolerance."""
    rows = clusters.value_counts()
    shares = dict(zip(SPLITS, (config.train, config.val, config.test)))
    slack = max(1.0, config.tolerance * len(clusters))
    excess = {name: -share * len(clusters) for name, share in shares.items()}
    for cluster, count in rows.items():
        excess[now[str(cluster)]] += count
    single = [str(c) for c, count in rows.items() if count == 1 and c in draw]
    movable = sorted(single, key=lambda cluster: draw[cluster])
    while max(excess.values()) > slack or min(excess.values()) < -slack:
        over = max(SPLITS, key=lambda name: excess[name])
        under = min(SPLITS, key=lambda name: excess[name])
        inside = [cluster for cluster in movable if split[cluster] == over]
        if not inside or excess[over] <= 0 or not shares[under]:
            return
        towards_end = SPLITS.index(under) > SPLITS.index(over)
        chosen = inside[-1] if towards_end else inside[0]
        split[chosen] = under
        excess[over] -= 1
        excess[under] += 1


def summary(
    verdicts: pd.DataFrame, earlier: Mapping[str, str], config: SplitsConfig
) -> dict[str, Any]:
    """Sizes, shares, what every cell holds, and how far it is from its shares."""
    kept = verdicts[verdicts["reason"].isna()]
    shares = dict(zip(SPLITS, (config.train, config.val, config.test)))
    cells, worst = [], 0.0
    for (style, emotion), cell in kept.groupby(["style", "emotion"], sort=True):
        counts = {name: int((cell["split"] == name).sum()) for name in SPLITS}
        off = max(abs(counts[name] - shares[name] * len(cell)) for name in SPLITS)
        worst = max(worst, off)
        cells.append(
            {"style": style, "emotion": emotion, "rows": counts, "off_by_rows": round(off, 2)}
        )
    sizes = {name: int((kept["split"] == name).sum()) for name in SPLITS}
    total = max(1, len(kept))
    return {
        "rows": sizes,
        "asked": shares,
        "got": {name: round(size / total, 4) for name, size in sizes.items()},
        "clusters": int(kept["cluster"].nunique()),
        "clusters_of_several_rows": int((kept["cluster"].value_counts() > 1).sum()),
        "placed_earlier": int(kept["id"].isin(list(earlier)).sum()),
        "left_as_split_bridge": int((verdicts["reason"] == "split_bridge").sum()),
        "worst_cell_off_by_rows": round(worst, 2),
        "cells": cells,
    }


def _placed(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Kept rows and copies: every row that belongs to a cluster."""
    copies = ("duplicate_exact", "duplicate_near", "split_bridge")
    inside = verdicts["reason"].isna() | verdicts["reason"].isin(copies)
    return verdicts[inside & verdicts["id"].notna()]


def _published(path: Path) -> dict[str, str]:
    """Id -> split of a published dataset folder, a build, or one parquet file with both."""
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    known: dict[str, str] = {}
    for file in files:
        names = pq.read_schema(file).names
        split = next((name for name in SPLITS if file.name.startswith(f"{name}-")), None)
        if "id" not in names or not ("split" in names or split):
            continue
        ids = pq.read_table(file, columns=["id"]).column("id").to_pylist()
        if split is None:
            splits = pq.read_table(file, columns=["split"]).column("split").to_pylist()
        else:
            splits = [split] * len(ids)
        known.update({key: name for key, name in zip(ids, splits) if name in SPLITS})
    if not known:
        raise SourceError(
            f"[splits] keep: {path} holds no parquet with `id` and a split; "
            "name a dataset folder (data/**/train-*.parquet) or a table with `id` and `split`"
        )
    return known


def _mark(config: SplitsConfig, seed: int) -> str:
    """Other shares or another seed ask for other splits: what was drawn before is forgotten."""
    return fingerprint(config.train, config.val, config.test, seed)


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
