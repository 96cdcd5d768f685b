"""Calibration: what a fit recovers, what the measures say, when a claim is not believed."""

from __future__ import annotations

import numpy as np
import pytest

from emo8.labels.clip.calibrate import (
    Calibration,
    accuracy_at,
    coverage_curve,
    cross_fitted,
    ece,
    entropy,
    fit,
    margin,
    reliability,
    softmax,
    threshold_for_risk,
)

TEMPERATURE, OFFSETS = 3.0, np.array([0.8, -0.5, 0.0, -0.3])


def _overconfident(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Distributions that are too sure and too fond of some names, and true names."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 4)) * 4
    right = softmax(logits / TEMPERATURE + OFFSETS)
    truth = np.array([rng.choice(4, p=row) for row in right])
    return softmax(logits), truth


def test_fit__recovers_temperature_and_offsets() -> None:
    found = fit(*_overconfident(4000, seed=0))
    assert found.temperature == pytest.approx(TEMPERATURE, rel=0.1)
    np.testing.assert_allclose(found.offsets, OFFSETS - OFFSETS.mean(), atol=0.15)


def test_fit__without_offsets_the_order_of_names_stays() -> None:
    prob, _ = _overconfident(50, seed=1)
    cooled = Calibration(temperature=2.5).apply(prob)
    np.testing.assert_array_equal(cooled.argmax(axis=1), prob.argmax(axis=1))
    np.testing.assert_allclose(cooled.sum(axis=1), 1)
    np.testing.assert_allclose(Calibration().apply(prob), prob, atol=1e-6)


def test_fit__a_name_never_seen_stays_possible_and_certainty_does_not_break_it() -> None:
    prob = np.tile([1.0, 0.0, 0.0, 0.0], (30, 1))
    found = fit(prob, np.zeros(30, int)).apply(prob)
    assert np.isfinite(found).all()
    assert (found[:, 3] > 0).all()


def test_cross_fitted__lowers_the_calibration_error_on_rows_it_did_not_see() -> None:
    prob, truth = _overconfident(1500, seed=2)
    after = cross_fitted(prob, truth, np.arange(len(truth)))
    assert ece(after, truth) < 0.5 * ece(prob, truth)


def test_cross_fitted__copies_never_vouch_for_each_other() -> None:
    prob, truth = _overconfident(60, seed=3)
    doubled, groups = np.repeat(prob, 2, axis=0), np.repeat(np.arange(60), 2)
    after = cross_fitted(doubled, np.repeat(truth, 2), groups)
    np.testing.assert_allclose(after[0::2], after[1::2])  # both by the same fold's fit
    with pytest.raises(ValueError, match="two groups"):
        cross_fitted(prob, truth, np.zeros(60))


def test_ece__by_hand() -> None:
    prob = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    truth = np.array([0, 1, 0, 0])
    assert ece(prob, truth, bins=10) == pytest.approx(0.5 * abs(0.5 - 0.9) + 0.5 * abs(1 - 0.6))
    table = reliability(prob, truth, bins=10)
    assert [row["n"] for row in table] == [2, 2]
    assert table[1] == pytest.approx(
        {"low": 0.9, "high": 1.0, "n": 2, "confidence": 0.9, "accuracy": 0.5}
    )


def test_coverage_curve__by_hand_with_ties_taken_together() -> None:
    prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.6, 0.4]])
    curve = coverage_curve(prob, np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(curve["threshold"], [0.9, 0.8, 0.6])
    np.testing.assert_allclose(curve["coverage"], [0.25, 0.75, 1.0])
    np.testing.assert_allclose(curve["accuracy"], [1.0, 2 / 3, 0.5])
    assert accuracy_at(prob, np.array([0, 0, 1, 1]), 0.25) == 1.0
    assert accuracy_at(prob, np.array([0, 0, 1, 1]), 1.0) == 0.5


def test_threshold_for_risk__keeps_the_promise_on_the_rows_it_was_chosen_on() -> None:
    prob, truth = _overconfident(1000, seed=4)
    curve = coverage_curve(prob, truth)
    for risk in (0.1, 0.3, 0.5):
        least = threshold_for_risk(curve, len(truth), risk)
        accepted = prob.max(axis=1) >= least
        assert accepted.sum() >= 20
        assert (prob.argmax(axis=1)[accepted] != truth[accepted]).mean() <= risk + 1e-9


def test_threshold_for_risk__accepts_nothing_when_the_risk_is_out_of_reach() -> None:
    prob = np.tile([0.7, 0.3], (100, 1))
    curve = coverage_curve(prob, np.arange(100) % 2)
    assert threshold_for_risk(curve, 100, 0.1) == float("inf")


def test_margin_and_entropy__at_their_ends() -> None:
    prob = np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    np.testing.assert_allclose(margin(prob), [1, 0])
    np.testing.assert_allclose(entropy(prob), [0, 1], atol=1e-6)
