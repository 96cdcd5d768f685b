import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from emo8.core.settings import SplitsConfig
from emo8.core.taxonomy import EMOTIONS, STYLES
from emo8.dataset.splits import (
    PLACED,
    assign,
    earlier_splits,
    joined,
    keep_claimed,
    losing_rows,
    remember,
    summary,
)


def verdicts(num: int, seed: int = 0, start: int = 0) -> pd.DataFrame:
    """Kept rows, each a cluster of its own."""
    rng = np.random.default_rng([seed, start])
    ids = [f"{n:064x}" for n in range(start, start + num)]
    return pd.DataFrame(
        {
            "id": ids,
            "cluster": ids,
            "emotion": rng.choice(EMOTIONS, num, p=[0.5] + [0.5 / 7] * 7),
            "style": rng.choice(STYLES, num),
            "reason": None,
        }
    )


def placed(split: dict[str, str]) -> pa.Table:
    """What an earlier run placed."""
    return pa.table([list(split), list(split.values())], schema=PLACED)


def test_assign__every_cell_meets_its_shares_within_the_tolerance() -> None:
    rows = verdicts(4000)
    rows["split"] = assign(rows, placed({}), SplitsConfig(), seed=0)
    told = summary(rows, placed({}), SplitsConfig())
    assert len(told["cells"]) == len(EMOTIONS) * len(STYLES)
    for cell in told["cells"]:
        assert cell["off_by_rows"] <= max(1.0, 0.02 * sum(cell["rows"].values())) + 1e-6
    assert told["rows"]["train"] + told["rows"]["val"] + told["rows"]["test"] == 4000
    assert told["got"]["train"] == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("seed", range(10))
def test_assign__ten_growth_histories_move_nobody_and_never_straddle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    config, known = SplitsConfig(), dict[str, str]()
    rows, first_seen = pd.DataFrame(), dict[str, str]()
    for step in range(5):
        new = verdicts(int(rng.integers(1, 300)), seed, 1000 * step)
        rows = pd.concat([new, rows] if rng.random() < 0.5 else [rows, new], ignore_index=True)
        rows["reason"] = None
        joins = rng.integers(0, len(rows), (int(rng.integers(0, 12)), 2))
        for a, b in joins:  # copies come to light: two clusters become one
            merged = rows["cluster"].isin(rows["cluster"].iloc[[a, b]])
            rows.loc[merged, "cluster"] = rows.loc[merged, "id"].iloc[0]
        root = pd.factorize(rows["cluster"])[0]
        loses = losing_rows(rows["id"], root, placed(known))
        rows.loc[loses, "reason"] = "split_bridge"
        rows["split"] = assign(rows, placed(known), config, seed=seed)
        now = {**known, **dict(zip(rows["id"], rows["split"]))}
        again = assign(rows, placed(now), config, seed=seed)
        assert (again == rows["split"]).all()
        kept = rows[rows["reason"].isna()]
        assert (kept.groupby("cluster")["split"].nunique() == 1).all()
        for key, split in zip(kept["id"], kept["split"]):
            assert first_seen.setdefault(key, split) == split
        known.update(zip(rows["id"], rows["split"]))


def test_losing_rows__train_side_of_a_bridge_and_never_new_rows() -> None:
    ids = pd.Series(["old-train", "new", "old-test", "alone"])
    earlier = placed({"old-train": "train", "old-test": "test", "alone": "train"})
    assert losing_rows(ids, np.array([0, 0, 0, 3]), earlier).tolist() == [True, False, False, False]


def test_assign__seed_changes_the_draw_and_a_zero_share_stays_empty() -> None:
    rows = verdicts(500)
    nobody, only_train = placed({}), SplitsConfig(train=1.0, val=0.0, test=0.0)
    assert set(assign(rows, nobody, only_train, 0)) == {"train"}
    first, second = (assign(rows, nobody, SplitsConfig(), seed) for seed in (0, 1))
    assert (first != second).any()


def test_remember__other_shares_forget_what_was_drawn(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rows = verdicts(20)
    rows["split"] = assign(rows, placed({}), SplitsConfig(), 0)
    remember(tmp_path, rows, placed({"gone": "test"}), SplitsConfig(), 0)
    known = earlier_splits(tmp_path, tmp_path, SplitsConfig(), 0)
    now = dict(zip(rows["id"], rows["split"]))
    assert dict(zip(*known.to_pydict().values())) == {**now, "gone": "test"}
    other = SplitsConfig(train=0.5, val=0.25, test=0.25)
    assert earlier_splits(tmp_path, tmp_path, other, 0).num_rows == 0


def test_joined__the_last_word_on_a_row_counts() -> None:
    known = joined([placed({"a": "train", "b": "val"}), placed({"b": "test", "c": "train"})])
    assert dict(zip(*known.to_pydict().values())) == {"a": "train", "b": "test", "c": "train"}
    assert joined([]).schema == PLACED


def test_keep_claimed__a_cluster_goes_whole_to_the_strictest_claim() -> None:
    clusters = pd.Series(["a", "a", "b", "c", "c", None])
    drawn = pd.Series(["val", "val", "test", "train", "train", "train"])
    claimed = pd.Series(["train", "test", None, None, "val", None])
    kept = keep_claimed(drawn, clusters, claimed)
    assert kept.tolist() == ["test", "test", "test", "val", "val", "train"]
