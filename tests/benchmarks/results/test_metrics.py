from __future__ import annotations

import numpy as np
import pytest

from benchmarks.results import metrics

EMOTIONS = ("anger", "awe", "fear")


def random_case(rows: int = 90, repeats: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, rows)
    prob = rng.dirichlet(np.ones(3), (repeats, rows))
    prob[:, np.arange(rows), true] += 0.3
    return true, prob / prob.sum(axis=2, keepdims=True)


def test_score__bootstrap_formulas_are_scikit_learns():
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    true, prob = random_case()
    found = prob[0].argmax(1)
    tables = confusion_matrix(true, found)[None]
    assert metrics.accuracies(tables)[0] == pytest.approx(accuracy_score(true, found))
    expected = f1_score(true, found, average="macro")
    assert metrics.macro_f1s(tables)[0] == pytest.approx(expected)


def test_score__interval_is_that_of_a_plain_bootstrap_over_rows():
    true, prob = random_case()
    scores = metrics.score(true, prob, EMOTIONS, seed=0)
    rng = np.random.default_rng(1)
    right = prob[0].argmax(1) == true
    plain = [right[rng.integers(0, 90, 90)].mean() for _ in range(4000)]
    assert scores.interval95["accuracy"] == pytest.approx(
        np.quantile(plain, [0.025, 0.975]), abs=0.03
    )


def test_score__absent_emotions_do_not_pull_macro_f1_down():
    true = np.array([0, 0, 1, 1])
    prob = np.eye(3)[[0, 0, 1, 1]][None]
    scores = metrics.score(true, prob, EMOTIONS, seed=0)
    assert scores.metrics["macro_f1"] == 1.0
    assert scores.metrics["balanced_accuracy"] == 1.0
    assert "fear" not in scores.recall


def test_score__repeats_are_averaged():
    true, prob = random_case(repeats=4)
    scores = metrics.score(true, prob, EMOTIONS, seed=0)
    each = [metrics.score(true, p[None], EMOTIONS, seed=0).metrics["accuracy"] for p in prob]
    assert scores.metrics["accuracy"] == pytest.approx(np.mean(each), abs=1e-6)
    assert np.sum(scores.confusion) == 4 * 90


def test_calibration_error__agrees_with_torchmetrics():
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.classification")
    true, prob = random_case(500)
    peer = classification.MulticlassCalibrationError(3, n_bins=15)
    expected = float(peer(torch.tensor(prob[0]), torch.tensor(true)))
    assert metrics.expected_calibration_error(true, prob[0]) == pytest.approx(expected, abs=1e-5)


def test_top3__is_scikit_learns_and_zeros_are_no_answers():
    from sklearn.metrics import top_k_accuracy_score

    names = tuple("abcdefgh")
    votes = np.eye(8)[[0, 3, 3, 3]]  # one neighbour votes: seven zeros tie in every row
    true = np.array([0, 1, 2, 4])
    found = metrics.score(true, votes[None], names, seed=0).metrics
    assert found["accuracy"] == found["top3"] == 0.25
    rng = np.random.default_rng(3)
    true = rng.integers(0, 8, 300)
    for prob in (rng.dirichlet(np.ones(8), 300), rng.multinomial(2, np.ones(8) / 8, 300) / 2):
        peer = top_k_accuracy_score(true, prob, k=3, labels=np.arange(8))
        found = metrics.score(true, prob[None], names, seed=0, resamples=10).metrics
        assert found["top3"] == pytest.approx(peer, abs=1e-6)


def test_calibration_error__is_the_one_of_emo8():
    from emo8.labels.clip.calibrate import ece

    true = np.random.default_rng(0).integers(0, 3, 60)
    prob = np.tile([[0.6, 0.4, 0.0], [1.0, 0.0, 0.0], [0.2, 0.2, 0.6]], (20, 1))
    assert metrics.expected_calibration_error(true, prob) == pytest.approx(ece(prob, true))


def test_score__one_emotion_only_and_one_row():
    scores = metrics.score(np.array([1]), np.array([[[0.0, 1.0, 0.0]]]), EMOTIONS, seed=0)
    assert scores.metrics == {
        "accuracy": 1.0, "macro_f1": 1.0, "balanced_accuracy": 1.0, "ece": 0.0
    }  # fmt: skip
    assert scores.support == {"awe": 1}
    assert scores.interval95["ece"] == (0.0, 0.0)


def test_score__calibration_interval_holds_the_value():
    true, prob = random_case(200)
    scores = metrics.score(true, prob, EMOTIONS, seed=0)
    low, high = scores.interval95["ece"]
    assert low < high and 0 <= low <= high <= 1
