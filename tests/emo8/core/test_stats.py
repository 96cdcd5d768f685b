from __future__ import annotations

import numpy as np
import pytest

from emo8.core import stats


def test_wilson__known_interval_and_the_ends_where_a_bootstrap_says_nothing() -> None:
    assert stats.wilson(8, 10) == pytest.approx((0.490, 0.943), abs=1e-3)  # as tabulated
    assert stats.wilson(3, 3) == pytest.approx((0.4385, 1.0), abs=1e-4)
    assert stats.wilson(0, 0) == (0.0, 1.0)


def test_bins_of__an_edge_belongs_to_the_bin_above_and_one_to_the_last() -> None:
    edges = [0.0, 0.1, 0.3, 0.6, 0.7, 0.9, 1.0]
    assert stats.bins_of(edges, 10).tolist() == [0, 1, 3, 6, 7, 9, 9]
    assert stats.bins_of(np.arange(15) / 15).tolist() == list(range(15))


def test_calibration_error__by_hand_at_the_edges() -> None:
    # bins of 0.5: 0.5 and 1.0 share the upper one, whose mean gap is |(0 - 0.5) + (1 - 1)| / 3
    assert stats.calibration_error([0.0, 0.5, 1.0], [0, 0, 1], 2) == pytest.approx(0.5 / 3)
    assert stats.calibration_error([1.0, 1.0], [1, 1]) == 0.0
    assert stats.calibration_error([1.0, 1.0], [0, 0]) == 1.0
    assert stats.calibration_error([0.0], [0]) == 0.0
    assert np.isnan(stats.calibration_error([], []))


def test_mcnemar__exact_and_one_where_no_picture_tells_the_models_apart() -> None:
    assert stats.mcnemar(0, 0) == 1.0
    assert stats.mcnemar(1, 0) == 1.0
    assert stats.mcnemar(0, 6) == pytest.approx(2 / 64)
    assert stats.mcnemar(9, 2) == pytest.approx(stats.mcnemar(2, 9))
    assert stats.paired_test([1, 0, 1], [1, 0, 1]) == (1.0, "McNemar")
    assert stats.paired_test([1, 1, 1, 1, 1, 1], [0] * 6)[0] == pytest.approx(2 / 64)


def test_sign_flips__all_of_one_sign_and_no_difference() -> None:
    p, name = stats.paired_test([0.5] * 8, [0.25] * 8)
    assert name == "sign flips" and p == pytest.approx(2 / 256, abs=0.004)
    assert stats.sign_flips(np.zeros(5)) == 1.0
    # many equal differences of both signs: about the share of random sums at least that far
    assert stats.sign_flips([0.5] * 10 + [-0.5] * 10) == pytest.approx(1.0)


def test_holm__by_hand() -> None:
    assert stats.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert stats.holm([]) == [] and stats.holm([0.9, 0.8]) == [1.0, 1.0]


def test_bootstrap_mean__agrees_with_scipys() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(0).choice([0.0, 0.5, 1.0], 200, p=(0.5, 0.2, 0.3))
    peer = bootstrap((values,), np.mean, method="percentile", rng=1).confidence_interval
    assert stats.bootstrap_mean(values) == pytest.approx((peer.low, peer.high), abs=0.01)
    assert stats.bootstrap_mean([1.0] * 4) == (1.0, 1.0)


def test_bootstrap__weights_are_counts_of_the_rows() -> None:
    draws = stats.bootstrap(lambda w: [w.sum(), w[0]], 50, resamples=400)
    assert (draws[:, 0] == 50).all()
    assert draws[:, 1].mean() == pytest.approx(1, abs=0.2)


def test_interval95__resamples_without_a_value_are_left_out() -> None:
    assert stats.interval95([1.0, np.nan, 1.0]) == (1.0, 1.0)
    assert np.isnan(stats.interval95([np.nan])).all()
