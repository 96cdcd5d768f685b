from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emo8.core.errors import SourceError
from emo8.core.settings import SplitsConfig
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.dataset import splits
from emo8.engine.database import opened
from emo8.engine.files import write_part
from tests.emo8.decided import splits_of


def kept(num: int, seed: int = 0, start: int = 0) -> pd.DataFrame:
    """Rows that nothing is held against."""
    rng = np.random.default_rng([seed, start])
    return pd.DataFrame(
        {
            "id": [f"{n:064x}" for n in range(start, start + num)],
            "emotion": rng.choice(EMOTIONS, num, p=[0.5] + [0.5 / 7] * 7),
            "style": rng.choice(STYLES, num),
        }
    )


def remember(build: Path, split: dict[str, str], config: SplitsConfig, seed: int = 0) -> None:
    """Make a build remember what an earlier run placed."""
    table = pa.table([list(split), list(split.values())], schema=splits.PLACED)
    write_part(table, build / "tables" / splits.TABLE, splits.mark(config, seed))


def test_draw__every_cell_meets_its_shares_within_the_tolerance(tmp_path: Path) -> None:
    rows = splits_of(tmp_path, kept(4000))
    assert set(zip(rows["style"], rows["emotion"])) == {(s, e) for s in STYLES for e in EMOTIONS}
    for _, cell in rows.groupby(["style", "emotion"]):
        for split, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
            off = abs((cell["split"] == split).sum() - share * len(cell))
            assert off <= max(1.0, 0.02 * len(cell)) + 1e-6
    assert (rows["split"] == "train").mean() == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_draw__growth_moves_nobody_and_no_cluster_straddles(tmp_path: Path, seed: int) -> None:
    rng, config = np.random.default_rng(seed), SplitsConfig()
    rows, known, joins = pd.DataFrame(), dict[str, str](), list[tuple[str, str]]()
    for step in range(5):
        new = kept(int(rng.integers(2, 300)), seed, 1000 * step)
        rows = pd.concat([new, rows] if rng.random() < 0.5 else [rows, new], ignore_index=True)
        for a, b in rng.integers(0, len(rows), (int(rng.integers(0, 12)), 2)):
            if a != b:  # copies come to light: two clusters become one
                joins.append((rows["id"][a], rows["id"][b]))
        place = {key: number for number, key in enumerate(rows["id"])}
        pairs = [(place[a], place[b]) for a, b in joins]
        found = splits_of(tmp_path, rows, pairs=pairs, config=config, seed=seed)
        inside = found[found["reason"] != "split_bridge"]
        assert (inside.groupby("cluster")["split"].nunique() == 1).all()
        for key, split in zip(found["id"], found["split"]):
            assert known.setdefault(key, split) == split
        remember(tmp_path, known, config, seed)


def test_draw__the_train_side_of_a_bridge_leaves_and_new_rows_never_do(tmp_path: Path) -> None:
    rows = kept(4).assign(id=["old-train", "new", "old-test", "alone"])
    placed = {"old-train": "train", "old-test": "test", "alone": "train"}
    remember(tmp_path, placed, SplitsConfig())
    found = splits_of(tmp_path, rows, pairs=[(0, 1), (1, 2)])
    assert found["reason"][0] == "split_bridge" and found["reason"][3] is None
    assert sorted(map(str, found["reason"][1:3])) == ["None", "duplicate_near"]
    assert found["split"].tolist() == ["train", "test", "test", "train"]


def test_draw__seed_changes_the_draw_and_a_zero_share_stays_empty(tmp_path: Path) -> None:
    rows, only_train = kept(500), SplitsConfig(train=1.0, val=0.0, test=0.0)
    assert set(splits_of(tmp_path, rows, config=only_train)["split"]) == {"train"}
    first, second = (splits_of(tmp_path, rows, seed=seed)["split"] for seed in (0, 1))
    assert (first != second).any()


def test_draw__a_cluster_goes_whole_to_the_strictest_claim(tmp_path: Path) -> None:
    claims = ["train", "test", None, None, "val", "val"]
    rows = kept(6).assign(split_source=claims)
    rows.loc[5, "id"] = None  # never arrived
    found = splits_of(tmp_path, rows, pairs=[(0, 1), (3, 4)])
    assert found["split"].tolist()[:2] == ["test", "test"]
    assert found["split"].tolist()[3:5] == ["val", "val"]
    assert found["split"][2] == splits_of(tmp_path, kept(6))["split"][2]
    assert found["split"][5] is None


def test_read_earlier__the_last_dataset_to_keep_counts_before_what_the_build_remembers(
    tmp_path: Path,
) -> None:
    for name, split in (("one", "train"), ("two", "val")):
        (tmp_path / name / "data").mkdir(parents=True)
        table = pa.table({"id": ["a", "b" if name == "one" else "c", "d"]})
        pq.write_table(table, tmp_path / name / "data" / f"{split}-00000.parquet")
    config, build = SplitsConfig(keep=("one", "two")), tmp_path / "BUILD"
    remember(build, {"d": "test", "e": "test"}, config)
    with opened(build, 200_000_000, workers=1) as db:
        db.run("CREATE TABLE facts AS SELECT 7 AS n, 'c' AS id UNION ALL SELECT 8, 'x'")
        splits.read_earlier(db, tmp_path, config, 0)
        known = dict(db.lines("FROM earlier"))
        assert known == {"a": "val", "b": "train", "c": "val", "d": "val", "e": "test"}
        assert db.lines("FROM placed") == [(7, 1)]


def test_read_earlier__other_shares_forget_what_was_drawn(tmp_path: Path) -> None:
    remember(tmp_path, {"a": "test"}, SplitsConfig())
    for config, known in ((SplitsConfig(), 1), (SplitsConfig(train=0.7, val=0.2), 0)):
        with opened(tmp_path, 200_000_000, workers=1) as db:
            db.run("CREATE TABLE facts AS SELECT 0 AS n, 'a' AS id")
            splits.read_earlier(db, tmp_path, config, 0)
            assert db.value("SELECT count(*) FROM earlier") == known


def keep_table(path: Path, splits_of_rows: list[str | None]) -> None:
    ids = [f"row-{n}" for n in range(len(splits_of_rows))]
    pq.write_table(pa.table({"id": ids, "split": splits_of_rows}), path)


def test_read_earlier__splits_of_other_spellings_are_kept_and_unknown_ones_refused(
    tmp_path: Path,
) -> None:
    config = SplitsConfig(keep=("kept.parquet",))
    keep_table(tmp_path / "kept.parquet", ["Validation", "dev", "testing", None])
    with opened(tmp_path / "BUILD", 200_000_000, workers=1) as db:
        db.run("CREATE TABLE facts AS SELECT 0 AS n, 'row-0' AS id")
        splits.read_earlier(db, tmp_path, config, 0)
        assert dict(db.lines("FROM earlier")) == {"row-0": "val", "row-1": "val", "row-2": "test"}
    keep_table(tmp_path / "kept.parquet", ["train", "holdout"])
    with opened(tmp_path / "OTHER", 200_000_000, workers=1) as db:
        db.run("CREATE TABLE facts AS SELECT 0 AS n, 'row-0' AS id")
        with pytest.raises(SourceError, match=r"kept\.parquet has the split 'holdout'"):
            splits.read_earlier(db, tmp_path, config, 0)


def test_stamp_kept__changes_with_the_datasets_named(tmp_path: Path) -> None:
    config = SplitsConfig(keep=("kept.parquet",))
    with pytest.raises(SourceError, match=r"keep: .*kept\.parquet holds no parquet"):
        splits.stamp_kept(tmp_path, config)
    keep_table(tmp_path / "kept.parquet", ["train"])
    before = splits.stamp_kept(tmp_path, config)
    keep_table(tmp_path / "kept.parquet", ["train", "test"])
    assert before and splits.stamp_kept(tmp_path, config) != before


def test_read_earlier__a_folder_without_ids_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with (
        opened(tmp_path / "BUILD", 200_000_000, workers=1) as db,
        pytest.raises(SourceError, match=r"keep: .*empty holds no parquet"),
    ):
        splits.read_earlier(db, tmp_path, SplitsConfig(keep=("empty",)), 0)
