"""Metrics of several numbers, against values worked out by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from benchmarks.problem.folds import Fold, FoldPlan
from benchmarks.results import number_metrics

TRUE = np.array([[0.5, 0.5, 0.0]])
SAID = np.array([[0.25, 0.5, 0.25]])


def scored(task, true, said, names):
    rows = np.arange(len(true))
    plan = FoldPlan(split="all rows", folds=(Fold(train=rows[:0], valid=rows[:0], test=rows),))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return number_metrics.score(task, true, rows, said[None], plan, names)[0]


def test_distribution__by_hand():
    found = scored("distribution", TRUE, SAID, ("a", "b", "c"))["metrics"]
    assert found["kl"] == pytest.approx(0.5 * np.log(2), abs=1e-5)
    half = 0.5 * np.log(0.5 / 0.375)
    other = 0.25 * np.log(0.25 / 0.375) + 0.25 * np.log(2)
    assert found["jensen_shannon"] == pytest.approx((half + other) / 2, abs=1e-5)
    assert found["chebyshev"] == 0.25
    assert found["clark"] == pytest.approx(np.sqrt((1 / 3) ** 2 + 1), abs=1e-6)
    assert found["canberra"] == pytest.approx(1 / 3 + 1, abs=1e-6)
    dot = 0.125 + 0.25
    assert found["cosine"] == pytest.approx(dot / np.sqrt(0.5 * 0.375), abs=1e-6)
    assert found["intersection"] == 0.75
    assert found["clark_scaled"] == pytest.approx(found["clark"] / np.sqrt(3), abs=1e-6)
    assert found["canberra_scaled"] == pytest.approx(found["canberra"] / 3, abs=1e-6)


def test_distribution__both_certain_agreeing_and_opposed():
    same = scored("distribution", np.eye(3)[:1], np.eye(3)[:1], ("a", "b", "c"))["metrics"]
    assert same["kl"] == same["clark"] == same["canberra"] == same["chebyshev"] == 0
    assert same["cosine"] == same["intersection"] == 1
    far = scored("distribution", np.eye(3)[:1], np.eye(3)[1:2], ("a", "b", "c"))["metrics"]
    assert far["clark"] == pytest.approx(np.sqrt(2), abs=1e-6) and far["canberra"] == 2
    assert far["intersection"] == 0 and np.isfinite(far["kl"])
    assert far["jensen_shannon"] == pytest.approx(np.log(2), abs=1e-5)
    silent = scored("distribution", np.eye(2)[:1], np.zeros((1, 2)), ("a", "b"))["metrics"]
    assert silent["chebyshev"] == 0.5  # no answer is an even one


def test_multi_label__a_label_without_positives_is_left_out_not_zero():
    true = np.array([[1.0, 0.0], [0.0, 0.0]])
    found = scored("multi_label", true, np.array([[0.9, 0.3], [0.1, 0.8]]), ("a", "b"))
    assert found["metrics"]["mAP"] == 1.0
    assert found["per_output"] == {"a": 1.0, "b": None}
    none = scored("multi_label", np.zeros((2, 2)), true, ("a", "b"))
    assert none["metrics"]["mAP"] is None and none["interval95"]["mAP"] == (None, None)


def test_regression__agrees_with_scikit_learn_and_constants_are_undefined():
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    true = rng.normal(5, 2, (40, 2))
    said = true + rng.normal(0, 1, (40, 2))
    found = scored("regression", true, said, ("valence", "arousal"))["metrics"]
    assert found["r2"] == pytest.approx(r2_score(true, said), abs=1e-6)
    r = [np.corrcoef(true[:, k], said[:, k])[0, 1] for k in range(2)]
    assert found["pearson"] == pytest.approx(np.mean(r), abs=1e-6)
    flat = scored("regression", np.full((5, 1), 3.0), np.full((5, 1), 3.0), ("valence",))
    assert flat["metrics"] == {"mae": 0.0, "rmse": 0.0, "r2": None, "pearson": None}
