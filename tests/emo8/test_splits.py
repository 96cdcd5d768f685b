import pandas as pd

from emo8.config import SplitsConfig
from emo8.splits import assign, keep_claimed

CLUSTERS = pd.Series([f"{n:064x}" for n in range(5000)])


def test_assign__shares_are_met_on_average() -> None:
    shares = assign(CLUSTERS, SplitsConfig(), seed=0).value_counts(normalize=True)
    assert abs(shares["train"] - 0.8) < 0.02
    assert abs(shares["val"] - 0.1) < 0.015


def test_assign__rows_of_one_cluster_stay_together_and_growth_moves_nobody() -> None:
    before = assign(CLUSTERS[:100], SplitsConfig(), seed=3)
    grown = assign(pd.concat([CLUSTERS, CLUSTERS[:100]], ignore_index=True), SplitsConfig(), seed=3)
    assert (grown[:100].to_numpy() == before.to_numpy()).all()
    assert (grown[5000:].to_numpy() == before.to_numpy()).all()


def test_assign__seed_changes_the_draw_and_a_zero_share_stays_empty() -> None:
    config = SplitsConfig(train=1.0, val=0.0, test=0.0)
    assert set(assign(CLUSTERS, config, seed=0)) == {"train"}
    assert (assign(CLUSTERS, SplitsConfig(), 0) != assign(CLUSTERS, SplitsConfig(), 1)).any()


def test_keep_claimed__a_cluster_goes_whole_to_the_strictest_claim() -> None:
    clusters = pd.Series(["a", "a", "b", "c", "c", None])
    drawn = pd.Series(["val", "val", "test", "train", "train", "train"])
    claimed = pd.Series(["train", "test", None, None, "val", None])
    kept = keep_claimed(drawn, clusters, claimed)
    assert kept.tolist() == ["test", "test", "test", "val", "val", "train"]
