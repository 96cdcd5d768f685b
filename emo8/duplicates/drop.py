"""Copies of a build leave: exact ones, then near ones, each naming the row that stays.

Clusters join exact and near copies. When a cluster joins rows that an earlier run put into
different splits, the rows on the train side leave with `split_bridge` before a survivor is chosen,
so that what was tested on stays in the test split.

Of all rows only those are looked at that share their picture with another, or end a pair that may
be copies: the table `kin`. Pairs among them are the only thing that is held in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from emo8.core.settings import DecideConfig
from emo8.duplicates import clusters, find
from emo8.engine.database import Database
from emo8.engine.files import fingerprint, write_part
from emo8.measure.filters.copies import VIEWS_RECIPE

PAIRS = "copies.parquet"  # in tables/: every pair judged a copy or possibly one
DISPUTED = "disputed"  # the verdict on a copy that stays, in the split of the other

# Rows with relations. Where nothing decoded, equal bytes are one picture.
_KIN = """
    CREATE TABLE kin AS
    WITH pictures AS (
        SELECT n, hash(coalesce(pixel_sha256, id)) AS picture FROM facts WHERE id IS NOT NULL
    ),
    related AS (
        SELECT n FROM pictures SEMI JOIN (
            SELECT picture FROM pictures GROUP BY picture HAVING count(*) > 1
        ) USING (picture)
        UNION SELECT "left" FROM pairs UNION SELECT "right" FROM pairs
    )
    SELECT n, id, coalesce(pixel_sha256, id) AS picture, style, emotion_rule,
        emotion_source, license, width, height, sharpness, split_source,
        coalesce(leaked.reason, facts.reason) AS reason
    FROM facts SEMI JOIN related USING (n) LEFT JOIN leaked USING (n)
    ORDER BY n
"""
# Open rows of one picture: `twin` is the row that stays for them, `rank` who is preferred to whom:
# a person's label before a source's before none, then the licence that allows more, more pixels,
# four times the sharpness (a power of four: compression alone changes it little), the older row.
_TWINS = """
    CREATE TABLE twins AS
    SELECT *, first_value(n) OVER (PARTITION BY picture ORDER BY rank) AS twin
    FROM (
        SELECT kin.*, row_number() OVER (ORDER BY
            CASE emotion_rule WHEN 'human' THEN 0 WHEN 'source' THEN 1 ELSE 2 END,
            coalesce(licences.rank, {unknown}),
            coalesce(CAST(width AS DOUBLE) * height, 0) DESC,
            coalesce(floor(log2(greatest(sharpness, 1e-6)) / 2), -99) DESC,
            n) AS rank
        FROM kin LEFT JOIN licences USING (license)
        WHERE reason IS NULL
    )
"""
# Both ends of a pair become the rows that stay for their pictures.
_ENDS = """
    WITH first AS (SELECT min(n) AS first, picture FROM kin GROUP BY picture),
    stands AS (SELECT first, twin FROM first JOIN twins USING (picture) WHERE n = twin)
    SELECT {numbers}, least(one.twin, two.twin) AS "left",
        greatest(one.twin, two.twin) AS "right"
    FROM pairs
    JOIN stands AS one ON pairs."left" = one.first
    JOIN stands AS two ON pairs."right" = two.first
    ORDER BY pairs."left", pairs."right"
"""
# Clusters reach over near copies; `loses`: on the train side of a cluster that joins two splits.
_CLUSTERS = """
    CREATE TABLE clusters AS
    SELECT *, side < max(side) OVER (PARTITION BY root) AS loses
    FROM (
        SELECT twins.*, placed.side,
            min(twins.n) OVER (PARTITION BY coalesce(joined.root, twin)) AS root
        FROM twins
        LEFT JOIN joined ON twins.twin = joined.n
        LEFT JOIN placed ON twins.n = placed.n
    )
"""
_CHANGES = """
    INSERT INTO changes
    WITH told AS (
        SELECT clusters.*, distance,
            CASE WHEN loses THEN 'split_bridge'
                WHEN keeper <> clusters.n THEN 'duplicate_near'
                WHEN twin <> clusters.n THEN 'duplicate_exact' END AS why,
            CASE WHEN loses THEN clusters.n
                WHEN twin <> clusters.n THEN twin
                ELSE coalesce(keeper, clusters.n) END AS survivor
        FROM clusters LEFT JOIN keepers USING (n)
    )
    SELECT told.n,
        CASE WHEN why = 'split_bridge' THEN 'splits' WHEN why IS NOT NULL THEN 'duplicates' END,
        why,
        CASE WHEN why = 'duplicate_near' THEN distance END,
        CASE WHEN why = 'split_bridge' THEN root.id WHEN why IS NOT NULL THEN survivor.id END,
        root.id, survivor.id
    FROM told
    JOIN twins AS root ON told.root = root.n
    JOIN twins AS survivor ON told.survivor = survivor.n
    UNION ALL SELECT n, step, reason, value, detail, NULL, NULL FROM leaked
    ORDER BY 1
"""


@dataclass(frozen=True, kw_only=True)
class DuplicateSearch:
    """What finding copies among the rows of a build needs."""

    config: DecideConfig
    pairs: str  # SQL: pairs of pictures that may be copies, each named by its first row

    def drop(self, db: Database) -> None:
        """Fill `changes`: leaks, and what copies mean for each other; `kin` are who has relations.

        Reads `facts`, `leaked` and `placed`, what an earlier run placed (`emo8.dataset.splits`).
        """
        db.run(f"CREATE TABLE pairs AS {self.pairs}")
        db.run(_KIN)
        known = [line[0] for line in db.lines("SELECT DISTINCT license FROM kin ORDER BY license")]
        ranks = [(name, clusters.license_rank(name)) for name in known if name is not None]
        db.keep("licences", pd.DataFrame(ranks, columns=["license", "rank"]).astype(_LICENCES))
        db.run(_TWINS.format(unknown=len(clusters.LICENSE_RANKS) + 1))
        told, ends = self._near(db)
        pairs, numbers = _pairs(told, "copy"), ends["n"].to_numpy()
        root = clusters.roots(len(ends), _pairs(told, "copy", DISPUTED))
        db.keep("joined", pd.DataFrame({"n": numbers, "root": numbers[root]}))
        db.run(_CLUSTERS)
        loses = np.isin(numbers, db.frame("SELECT n FROM clusters WHERE loses")["n"].to_numpy())
        stay = pairs[~loses[pairs].any(axis=1)]
        keeper = clusters.survivors(len(ends), stay, ends["rank"].to_numpy())
        nearest = _least(told, len(ends))
        columns = {"n": numbers, "keeper": numbers[keeper], "distance": nearest}
        db.keep("keepers", pd.DataFrame(columns))
        db.run(_CHANGES)
        _write_pairs(db.build, told, ends["id"])

    def _near(self, db: Database) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Pairs of rows that are copies or may be, and the rows: `left` and `right` count these."""
        found = db.frame(_ENDS.format(numbers=", ".join(find.NUMBERS)))
        numbers = np.unique(found[["left", "right"]].to_numpy(np.int64))
        db.keep("ends", pd.DataFrame({"n": numbers}))
        ends = db.frame("SELECT twins.* FROM twins JOIN ends USING (n) ORDER BY n")
        for side in ("left", "right"):
            found[side] = np.searchsorted(numbers, found[side].to_numpy())
        told = find.judged(found, find.limits_of(ends["style"].tolist(), self.config))
        return without_disputes(told, ends["emotion_source"].to_numpy(object)), ends


_LICENCES = {"license": "string", "rank": "int64"}


def without_disputes(told: pd.DataFrame, emotions: np.ndarray) -> pd.DataFrame:
    """The judged pairs, but DISPUTED the copies whose two sources name different emotions.

    Two faces of one drawing set can differ in nothing but the mouth: then the labels know more
    than the pixels, and both rows stay. They stay in one cluster, and so in one split: the same
    photograph under two labels must not be trained on and tested with.
    """
    left, right = (emotions[told[side].to_numpy(np.int64)] for side in ("left", "right"))
    differ = pd.notna(left) & pd.notna(right) & (left != right)
    verdict = told["verdict"].mask(differ & told["verdict"].eq("copy"), DISPUTED)
    return told.assign(verdict=verdict)


def _pairs(told: pd.DataFrame, *verdicts: str) -> np.ndarray:
    """(P, 2) the two rows of every pair with one of these verdicts."""
    rows = told.loc[told["verdict"].isin(verdicts), ["left", "right"]]
    return rows.to_numpy(np.int64).reshape(-1, 2)


def _least(told: pd.DataFrame, num_rows: int) -> np.ndarray:
    """(N,) hash distance of each row to the nearest of its copies."""
    copies = told[told["verdict"] == "copy"]
    least = np.full(num_rows, np.inf)
    for side in ("left", "right"):
        np.minimum.at(least, copies[side].to_numpy(np.int64), copies["distance"])
    return least


def _write_pairs(build: Path, told: pd.DataFrame, ids: pd.Series) -> None:
    left, right = (ids.iloc[told[side]].to_numpy(object) for side in ("left", "right"))
    named = told.drop(columns=["left", "right"]).assign(left_id=left, right_id=right)
    named = named.sort_values(["left_id", "right_id"])
    table = pa.Table.from_pandas(named, preserve_index=False)
    write_part(table, build / "tables" / PAIRS, fingerprint(VIEWS_RECIPE))
