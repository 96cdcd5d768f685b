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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emo8.core.errors import SourceError
from emo8.core.settings import SplitsConfig
from emo8.core.taxonomy import SPLITS
from emo8.engine.files import fingerprint, read_fingerprint, write_part
from emo8.engine.row_index import first_occurrence, index_of

# From the loosest to the strictest: who stays when a new row joins two clusters.
TABLE = "splits.parquet"  # in tables/
PLACED = pa.schema([("id", pa.string()), ("split", pa.string())])


def earlier_splits(build: Path, recipe_dir: Path, config: SplitsConfig, seed: int) -> pa.Table:
    """`PLACED` of everything an earlier run or a dataset in `keep` has placed."""
    known = [_published(recipe_dir / name) for name in config.keep]
    path = build / "tables" / TABLE
    if read_fingerprint(path) == _mark(config, seed):
        known.append(pq.read_table(path, schema=PLACED))
    return joined(known)


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """One line per id of several `PLACED` tables: where they differ, the last one counts."""
    every = pa.concat_tables([PLACED.empty_table(), *reversed(tables)]).combine_chunks()
    if len(tables) < 2:
        return every
    return every.filter(first_occurrence(every["id"]) == np.arange(len(every)))


def remember(
    build: Path, verdicts: pd.DataFrame, earlier: pa.Table, config: SplitsConfig, seed: int
) -> None:
    """Write where every row of a cluster is; rows that are gone are remembered too."""
    copies = ("duplicate_exact", "duplicate_near", "split_bridge")
    inside = verdicts["reason"].isna() | verdicts["reason"].isin(copies)
    placed = verdicts.loc[inside & verdicts["id"].notna(), ["id", "split"]]
    now = pa.Table.from_pandas(placed, PLACED, preserve_index=False).replace_schema_metadata()
    write_part(joined([earlier, now]).sort_by("id"), build / "tables" / TABLE, _mark(config, seed))


def losing_rows(ids: pd.Series, root: np.ndarray, earlier: pa.Table) -> np.ndarray:
    """(N,) bool: rows placed earlier on the train side of a cluster that joins two splits.

    `root` (N,) names each row's cluster. Rows never placed before lose nothing.
    """
    side = _sides(ids, earlier)
    return np.asarray((side >= 0) & (side < _highest(side, root)[root]))


def assign(verdicts: pd.DataFrame, earlier: pa.Table, config: SplitsConfig, seed: int) -> pd.Series:
    """The split of each row (`id`, `cluster`, `emotion`, `style`, `reason`); null = no cluster."""
    own = _sides(verdicts["id"], earlier)
    cluster, names = pd.factorize(verdicts["cluster"])
    placed = _highest(own, cluster)[: len(names)]
    side = _drawn(verdicts, cluster, names, placed, config, seed)[cluster]
    bridged = verdicts["reason"].eq("split_bridge").to_numpy()  # they keep the side they were on
    return _named(np.where(bridged, own, side), verdicts.index)


def _sides(ids: pd.Series, earlier: pa.Table) -> np.ndarray:
    """(N,) int8 place in SPLITS where each row was placed, -1 = not yet."""
    side = pc.index_in(earlier["split"], value_set=pa.array(SPLITS)).fill_null(-1).to_numpy()
    return np.append(side, -1).astype(np.int8)[index_of(ids, earlier["id"])]


def _highest(side: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """(C + 1,) the strictest side of each cluster's rows; the last one is of rows without any."""
    highest = np.full(int(cluster.max(initial=-1)) + 2, -1, np.int8)
    np.maximum.at(highest, cluster, side)
    highest[-1] = -1
    return highest


def _named(side: np.ndarray, index: pd.Index[Any]) -> pd.Series:
    return pd.Series(np.array([*SPLITS, None], object)[side], index, dtype=object)


def _drawn(
    verdicts: pd.DataFrame,
    cluster: np.ndarray,
    names: pd.Index[Any],
    placed: np.ndarray,
    config: SplitsConfig,
    seed: int,
) -> np.ndarray:
    """(C + 1,) the side of each of C clusters, stratified; the last one (-1) is of no cluster.

    Clusters `placed` before stay where they are; `cluster` is the number of each row's.
    """
    fresh = placed < 0
    edges = np.cumsum([config.train, config.val, config.test])
    draw = np.full(len(names), np.nan)
    draw[fresh] = [_uniform(f"{seed}:{name}") for name in names[fresh]]
    side = np.minimum(np.searchsorted(edges, draw, side="right"), len(SPLITS) - 1).astype(np.int8)
    side[~fresh] = placed[~fresh]
    kept = np.flatnonzero(verdicts["reason"].isna())
    cells = verdicts[["style", "emotion"]].iloc[kept].groupby(["style", "emotion"]).indices
    for _, rows in sorted(cells.items()):
        _even_out(cluster[kept[rows]], draw, side, config)
    return np.append(side, np.int8(-1))


def _even_out(
    cluster: np.ndarray, draw: np.ndarray, side: np.ndarray, config: SplitsConfig
) -> None:
    """Move new clusters of one cell until no split is off by more than the tolerance.

    `cluster` are the numbers of the cell's clusters, a line a row; those that were placed before
    have no `draw`.
    """
    members, rows = np.unique(cluster, return_counts=True)
    shares = np.array([config.train, config.val, config.test])
    slack = max(1.0, config.tolerance * len(cluster))
    excess = np.bincount(side[members], rows, len(SPLITS)) - shares * len(cluster)
    single = members[(rows == 1) & ~np.isnan(draw[members])]
    movable = single[np.argsort(draw[single])]
    while excess.max() > slack or excess.min() < -slack:
        over, under = int(excess.argmax()), int(excess.argmin())
        inside = movable[side[movable] == over]
        if not len(inside) or excess[over] <= 0 or not shares[under]:
            return
        side[inside[-1] if under > over else inside[0]] = under
        excess[over] -= 1
        excess[under] += 1


def summary(verdicts: pd.DataFrame, earlier: pa.Table, config: SplitsConfig) -> dict[str, Any]:
    """Sizes, shares, what every cell holds, and how far it is from its shares."""
    columns = ["id", "cluster", "style", "emotion", "split"]
    kept = verdicts.loc[verdicts["reason"].isna(), columns]
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
        "placed_earlier": int((index_of(kept["id"], earlier["id"]) >= 0).sum()),
        "left_as_split_bridge": int((verdicts["reason"] == "split_bridge").sum()),
        "worst_cell_off_by_rows": round(worst, 2),
        "cells": cells,
    }


def _published(path: Path) -> pa.Table:
    """`PLACED` of a published dataset folder, a build, or one parquet file with both."""
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    known = []
    for file in files:
        names = pq.read_schema(file).names
        split = next((name for name in SPLITS if file.name.startswith(f"{name}-")), None)
        if "id" not in names or not ("split" in names or split):
            continue
        table = pq.read_table(file, columns=["id"] if split else ["id", "split"])
        if split:
            table = table.append_column("split", pa.array([split] * len(table), pa.string()))
        table = table.select(PLACED.names).cast(PLACED)
        known.append(table.filter(pc.is_in(table["split"], pa.array(SPLITS))))
    if not sum(map(len, known)):
        raise SourceError(
            f"[splits] keep: {path} holds no parquet with `id` and a split; "
            "name a dataset folder (data/**/train-*.parquet) or a table with `id` and `split`"
        )
    return joined(known)


def _mark(config: SplitsConfig, seed: int) -> str:
    """Other shares or another seed ask for other splits: what was drawn before is forgotten."""
    return fingerprint(config.train, config.val, config.test, seed)


def keep_claimed(assigned: pd.Series, clusters: pd.Series, claimed: pd.Series) -> pd.Series:
    """The assigned splits, but for clusters with a claimed one (null = none): theirs is kept.

    A cluster stays whole: where its rows claim several, test goes before val before train, so
    that a copy of a test picture never trains.
    """
    said, names = pd.factorize(claimed)
    side = np.array([*map(SPLITS.index, names), -1])[said]
    cluster, _ = pd.factorize(clusters)
    strictest = _highest(side, cluster)[cluster]
    return _named(strictest, assigned.index).where(strictest >= 0, assigned)


def _uniform(key: str) -> float:
    """A number in [0, 1) that depends on `key` only."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
