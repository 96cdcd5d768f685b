"""Splits: clusters of copies fall whole into one split, and stay there as the data grow.

Every cluster draws by the hash of its oldest id and the seed, so the draw of one depends on no
other. The build remembers what it drew (`tables/splits.parquet`), and `[splits] keep` names
datasets published before: remembered rows do not move, and new rows join the split of the cluster
they fall into. Where a new cell of emotion x style would miss its shares by more than
`max(1 row, splits.tolerance of the cell)`, new clusters whose draw was nearest to the edge move;
that is what makes the splits stratified.

A split is a number here, its place in SPLITS: of two, the larger one is the stricter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emo8.core.errors import SourceError
from emo8.core.inside import files_below
from emo8.core.settings import SplitsConfig
from emo8.core.taxonomy import SPLITS, split_name
from emo8.engine.database import Database, parquet, text, values
from emo8.engine.files import fingerprint, read_fingerprint

TABLE = "splits.parquet"  # in tables/
PLACED = pa.schema([("id", pa.string()), ("split", pa.string())])


def read_earlier(db: Database, recipe_dir: Path, config: SplitsConfig, seed: int) -> None:
    """Make `earlier`, what an earlier run or a dataset in `keep` has placed, and `placed`.

    Where several placed one row, the last of `keep` counts, and before what the build remembers:
    who names a dataset later means it. `placed` holds the rows of `facts` among them.
    """
    known = [_published(db, recipe_dir / name) for name in config.keep]
    path = db.build / "tables" / TABLE
    if read_fingerprint(path) == mark(config, seed):
        known.insert(0, f"SELECT id, split FROM {parquet(path)}")
    every = " UNION ALL ".join(
        f"SELECT *, {n} AS number FROM ({sql})" for n, sql in enumerate(known)
    )
    once = f"SELECT id, max_by(split, number) AS split FROM ({every}) GROUP BY id"
    nobody = "SELECT '' AS id, '' AS split WHERE FALSE"
    db.run(f"CREATE VIEW earlier AS {once if len(known) > 1 else (known or [nobody])[0]}")
    db.run(f"""
        CREATE TABLE placed AS
        SELECT n, list_position({values(SPLITS)}, split) - 1 AS side
        FROM facts JOIN earlier USING (id) ORDER BY n
    """)


# `related`: of every row with relations its cluster and that one's draw, the strictest split where
# the cluster was placed before, and the strictest that a source claims for it.
_RELATED = """
    CREATE TABLE related AS
    SELECT n, cluster, {draw} AS cluster_draw,
        max(side) OVER (PARTITION BY cluster) AS placed_side,
        max(claimed) OVER (PARTITION BY cluster) AS claimed_side
    FROM (
        SELECT kin.n, coalesce(changes.cluster, kin.id) AS cluster, side,
            list_position({names}, split_source) - 1 AS claimed
        FROM kin LEFT JOIN changes USING (n) LEFT JOIN placed USING (n)
    )
    ORDER BY n
"""
# `drawn`: of rows first to last the side their cluster is on before anybody's claim, whether it
# may move, and the claim. A row without relations is a cluster of its own.
_DRAWN = """
    CREATE MACRO drawn(first, last) AS TABLE
    SELECT * EXCLUDE (cluster_draw, draw, claimed_side, side),
        coalesce(cluster_draw, draw) AS draw,
        coalesce(claimed_side, list_position({names}, split_source) - 1) AS claimed_side,
        coalesce(placed_side, own) IS NULL AS fresh,
        coalesce(moved.side, placed_side, own, CASE
            WHEN coalesce(cluster_draw, draw) < {edges[0]} THEN 0
            WHEN coalesce(cluster_draw, draw) < {edges[1]} THEN 1 ELSE 2 END) AS side
    FROM decided(first, last)
    LEFT JOIN (SELECT n, side AS own FROM placed WHERE n >= first AND n < last) USING (n)
    LEFT JOIN (
        SELECT * EXCLUDE (cluster) FROM related WHERE n >= first AND n < last
    ) USING (n)
    LEFT JOIN moved USING (cluster)
"""
# Of a row of `drawn`: null for one of no cluster, which never arrived.
FINAL = """CASE WHEN cluster IS NULL THEN NULL
    ELSE coalesce(claimed_side, CASE WHEN reason = 'split_bridge' THEN own ELSE side END) END"""


def uniform(key: str, seed: int) -> str:
    """SQL of a number in [0, 1) that depends on the text `key` and the seed only."""
    digest = f"sha256('{seed}:' || {key})[1:16]"
    return f"CAST(CAST('0x' || {digest} AS UBIGINT) AS DOUBLE) / 18446744073709551616"


def draw(db: Database, num_rows: int, config: SplitsConfig, seed: int) -> None:
    """Make `drawn(first, last)`: the rows of `decided` with what `FINAL`, their split, reads."""
    edges = [f"{edge:.17e}" for edge in np.cumsum([config.train, config.val])]  # doubles
    db.run(_RELATED.format(names=values(SPLITS), draw=uniform("cluster", seed)))
    db.run("CREATE TABLE moved (cluster VARCHAR, side BIGINT)")
    db.run(_DRAWN.format(names=values(SPLITS), edges=edges))
    moved = _evened_out(_Cells.read(db, num_rows, config), config)
    table = pa.table([list(moved), list(moved.values())], schema=_MOVED)
    db.keep("moved", table)


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """The cells of emotion x style: kept rows in each split, and which clusters may move."""

    counts: dict[tuple[str, str], np.ndarray]  # cell -> rows per split
    movable: pd.DataFrame  # new clusters with one row in a cell that may need them, by their draw
    spans: pd.DataFrame  # clusters with rows in several cells: cluster, style, emotion, rows

    @staticmethod
    def read(db: Database, num_rows: int, config: SplitsConfig) -> _Cells:
        kept = (
            f"(FROM drawn(0, {num_rows}) WHERE reason IS NULL AND style IS NOT NULL "
            "AND emotion IS NOT NULL)"
        )
        counts: dict[tuple[str, str], np.ndarray] = {}
        lines = f"SELECT style, emotion, side, count(*) FROM {kept} GROUP BY ALL"
        for style, emotion, side, rows in db.lines(lines):
            counts.setdefault((style, emotion), np.zeros(len(SPLITS), np.int64))[side] = rows
        spans = db.frame(f"""
            SELECT cluster, style, emotion, count(*) AS rows FROM {kept} SEMI JOIN related USING (n)
            GROUP BY cluster, style, emotion QUALIFY count(*) OVER (PARTITION BY cluster) > 1
        """)
        wanted = {cell for cell, rows in counts.items() if _is_off(rows, config)}
        wanted |= set(zip(spans["style"], spans["emotion"]))
        cells = pd.DataFrame(sorted(wanted), columns=["style", "emotion"], dtype=object)
        db.keep("uneven", pa.Table.from_pandas(cells, _CELLS, preserve_index=False))
        movable = db.frame(f"""
            SELECT style, emotion, cluster, any_value(draw) AS draw, any_value(side) AS side
            FROM {kept} SEMI JOIN uneven USING (style, emotion) WHERE fresh
            GROUP BY style, emotion, cluster HAVING count(*) = 1 ORDER BY draw
        """)
        return _Cells(counts=counts, movable=movable, spans=spans)


_CELLS = pa.schema([("style", pa.string()), ("emotion", pa.string())])
_MOVED = pa.schema([("cluster", pa.string()), ("side", pa.int64())])


def _evened_out(cells: _Cells, config: SplitsConfig) -> dict[str, int]:
    """The clusters that move, and the number of their new split."""
    moved: dict[str, int] = {}
    groups = cells.movable.groupby(["style", "emotion"]).indices
    spans = cells.spans.set_index("cluster")
    for cell in sorted(cells.counts):
        rows = cells.movable.iloc[groups.get(cell, [])]
        before = rows["side"].to_numpy(np.int64)
        if len(moved):
            before = rows["cluster"].map(moved).fillna(rows["side"]).to_numpy(np.int64)
        side = _even_out(before, cells.counts[cell], config)
        for place in np.flatnonzero(side != before).tolist():
            name = rows["cluster"].iloc[place]
            moved[name] = int(side[place])
            for other in spans.loc[spans.index == name].itertuples():
                counts = cells.counts[other.style, other.emotion]
                if (other.style, other.emotion) != cell:
                    counts[before[place]] -= other.rows
                    counts[side[place]] += other.rows
    return moved


def _shares(config: SplitsConfig) -> np.ndarray:
    return np.array([config.train, config.val, config.test])


def _is_off(rows: np.ndarray, config: SplitsConfig) -> bool:
    """Whether a cell with these rows per split misses its shares by more than the tolerance."""
    excess = rows - _shares(config) * rows.sum()
    return bool(np.abs(excess).max() > max(1.0, config.tolerance * rows.sum()))


def _even_out(before: np.ndarray, rows: np.ndarray, config: SplitsConfig) -> np.ndarray:
    """(M,) the splits of a cell's movable clusters, `before` in order of their draw, after moving.

    As many move as bring every split of the cell, which has `rows` in each, within the tolerance.
    """
    side, shares = before.copy(), _shares(config)
    slack = max(1.0, config.tolerance * rows.sum())
    excess = rows - shares * rows.sum()
    while excess.max() > slack or excess.min() < -slack:
        over, under = int(excess.argmax()), int(excess.argmin())
        inside = np.flatnonzero(side == over)
        if not len(inside) or excess[over] <= 0 or not shares[under]:
            break
        side[inside[-1] if under > over else inside[0]] = under
        excess[over] -= 1
        excess[under] += 1
    return side


def summary(db: Database, verdicts: str, config: SplitsConfig) -> dict[str, Any]:
    """Sizes, shares, what every cell holds, and how far it is from its shares."""
    kept = db.frame(f"""
        SELECT style, emotion, split, count(*) AS rows FROM {verdicts} WHERE reason IS NULL
        GROUP BY ALL
    """)
    shares = dict(zip(SPLITS, (config.train, config.val, config.test)))
    cells, worst = [], 0.0
    for (style, emotion), cell in kept.groupby(["style", "emotion"], sort=True):
        counts = {name: int(cell["rows"][cell["split"] == name].sum()) for name in SPLITS}
        num_rows = sum(counts.values())
        off = max(abs(counts[name] - shares[name] * num_rows) for name in SPLITS)
        worst = max(worst, off)
        cells.append(
            {"style": style, "emotion": emotion, "rows": counts, "off_by_rows": round(off, 2)}
        )
    sizes = {name: int(kept["rows"][kept["split"] == name].sum()) for name in SPLITS}
    total = sum(sizes.values())
    families = db.lines("""
        SELECT count(*) FROM (FROM related SEMI JOIN (
            SELECT kin.n FROM kin LEFT JOIN changes USING (n)
            WHERE coalesce(kin.reason, changes.reason) IS NULL
        ) USING (n)) GROUP BY cluster
    """)
    return {
        "rows": sizes,
        "asked": shares,
        "got": {name: round(size / max(1, total), 4) for name, size in sizes.items()},
        "clusters": total - sum(rows for (rows,) in families) + len(families),
        "clusters_of_several_rows": sum(rows > 1 for (rows,) in families),
        "placed_earlier": db.value(_PLACED_EARLIER),
        "left_as_split_bridge": db.value(
            "SELECT count(*) FROM changes WHERE reason = 'split_bridge'"
        ),
        "worst_cell_off_by_rows": round(worst, 2),
        "cells": cells,
    }


# Kept rows that were placed before: those among the placed that neither facts nor changes reject.
_PLACED_EARLIER = """
    SELECT count(*) FROM placed
    SEMI JOIN (FROM facts WHERE reason IS NULL) AS open USING (n)
    ANTI JOIN (FROM changes WHERE reason IS NOT NULL) AS gone USING (n)
"""


def to_remember(db: Database) -> None:
    """Make `gone`, what was placed earlier and is no longer there, and `again`.

    `again` are rows of clusters whose id a row before them has.
    """
    db.run("""
        CREATE TABLE again AS
        SELECT n FROM kin LEFT JOIN changes USING (n)
        WHERE kin.reason IS NULL
        QUALIFY row_number() OVER (PARTITION BY kin.id ORDER BY n) > 1
    """)
    db.run("""
        CREATE VIEW gone AS
        SELECT id, split FROM earlier ANTI JOIN (
            FROM facts ANTI JOIN leaked USING (n) WHERE reason IS NULL
        ) USING (id) ORDER BY id
    """)


def stamp_kept(recipe_dir: Path, config: SplitsConfig) -> list[str]:
    """What changes where a dataset in `keep` does: its files, their sizes and times.

    SourceError where there is none.
    """
    stamps: list[str] = []
    for path in (recipe_dir / name for name in config.keep):
        files = _tables(path)
        if not files:
            raise _nothing_to_keep(path)
        stamps += [f"{file}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in files]
    return stamps


def _tables(path: Path) -> list[Path]:
    """A parquet file, or those below a folder."""
    if path.is_file():
        return [path]
    return sorted(p for p in files_below(path) if p.suffix == ".parquet" and p.is_file())


def _nothing_to_keep(path: Path) -> SourceError:
    return SourceError(
        f"[splits] keep: {path} holds no parquet with `id` and a split; "
        "name a dataset folder (data/**/train-*.parquet) or a table with `id` and `split`"
    )


def _published(db: Database, path: Path) -> str:
    """SQL of `PLACED` in a published dataset folder, a build, or a parquet file with both.

    SourceError where there is none, or a split that is none of ours.
    """
    known: list[str] = []
    for file in _tables(path):
        names = pq.read_schema(file).names
        split = split_name(re.split(r"[-.]", file.name)[0])
        if "id" in names and ("split" in names or split in SPLITS):
            own = text(split) if split in SPLITS else "CAST(split AS VARCHAR)"
            known.append(
                f"SELECT id, {own} AS word, {len(known)} AS file, file_row_number AS row "
                f"FROM {parquet(file)}"
            )
    every = f"(SELECT * FROM ({' UNION ALL '.join(known)}) WHERE word IS NOT NULL)"
    words = db.lines(f"SELECT DISTINCT word FROM {every} ORDER BY word") if known else []
    if not words:
        raise _nothing_to_keep(path)
    meant = {word: split_name(word) for (word,) in words}
    if unknown := [word for word, split in meant.items() if split not in SPLITS]:
        raise SourceError(
            f"[splits] keep: {path} has the split {', '.join(map(repr, unknown[:5]))}; "
            "write train, val or test there"
        )
    spelled = ", ".join(f"{text(word)}: {text(split)}" for word, split in meant.items())
    split = f"MAP {{{spelled}}}[word]"
    return f"SELECT id, max_by({split}, (file, -row)) AS split FROM {every} GROUP BY id"


def mark(config: SplitsConfig, seed: int) -> str:
    """Other shares or another seed ask for other splits: what was drawn before is forgotten."""
    return fingerprint(config.train, config.val, config.test, seed)
