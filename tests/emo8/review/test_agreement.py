"""Agreement measures against worked examples from the literature."""

from __future__ import annotations

import numpy as np
import pytest

from emo8.review.agreement import (
    DawidSkene,
    Marks,
    alpha_of_each,
    dawid_skene,
    fleiss_kappa,
    interval_distance,
    jaccard_distance,
    krippendorff_alpha,
    masi_distance,
)

# The examples and results below were compared with public copies of them: Wikipedia's "Fleiss'
# kappa"; three public implementations that carry parts of Krippendorff's paper with the
# printed results, one with exact fractions; the sample of the PyPI package `krippendorff`, from
# Wikipedia; and two that carry Table 1 of Dawid and Skene, one of them with the published results.
# Ten subjects, fourteen raters, five names: the worked example of Wikipedia's article on kappa.
FOURTEEN_RATERS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)
# Four observers, twelve units, missing values: Krippendorff (2011), part C.
FOUR_OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
# Three coders, fifteen units, one of them seen by nobody: Wikipedia's article on the alpha.
THREE_CODERS = (
    ". . . . . 3 4 1 2 1 1 3 3 . 3",
    "1 . 2 1 3 3 4 3 . . . . . . .",
    ". . 2 1 3 4 4 . 2 1 1 3 3 . 4",
)
# Forty-five patients, four grades; observer 1 graded three times: Dawid and Skene (1979), Table 1.
ANAESTHETISTS = """
111 1 1 1 1|333 4 3 3 4|112 2 1 2 2|222 3 1 2 1|222 3 2 2 2|222 3 3 2 2|122 2 1 1 1|333 3 4 3 3
222 2 2 2 3|232 2 2 2 3|444 4 4 4 4|222 3 3 4 3|111 1 1 1 1|222 3 2 1 2|121 1 1 1 1|111 2 1 1 1
111 1 1 1 1|111 1 1 1 1|222 2 2 2 1|222 1 3 2 2|222 2 2 2 2|222 2 2 2 1|222 3 2 2 2|221 2 2 2 2
111 1 1 1 1|111 1 1 1 1|232 2 2 2 2|111 1 1 1 1|111 1 1 1 1|112 1 1 2 1|111 1 1 1 1|333 3 2 3 3
111 1 1 1 1|222 2 2 2 2|222 3 2 3 2|433 4 3 4 3|221 2 2 3 2|232 3 2 3 3|333 3 4 3 2|111 1 1 1 1
111 1 1 1 1|121 2 1 1 1|232 2 2 2 2|121 1 1 1 1|222 2 2 2 2
"""


def _counts(observers: tuple[str, ...]) -> np.ndarray:
    values = [line.split() for line in observers]
    names = sorted({value for line in values for value in line} - {"."})
    counts = np.zeros((len(values[0]), len(names)), int)
    for line in values:
        for unit, value in enumerate(line):
            if value != ".":
                counts[unit, names.index(value)] += 1
    return counts


def _anaesthetists() -> np.ndarray:
    patients = [cell for line in ANAESTHETISTS.split("\n") if line for cell in line.split("|")]
    votes = np.zeros((len(patients), 5, 4))
    for patient, cell in enumerate(patients):
        for observer, grades in enumerate(cell.split()):
            for grade in grades:
                votes[patient, observer, int(grade) - 1] += 1
    return votes


def _fitted(votes: np.ndarray, smoothing: float = 0.0) -> DawidSkene:
    """Dawid-Skene of (N, A, K) counts."""
    item, person, name = np.nonzero(votes)
    weight = votes[item, person, name].astype(float)
    marks = Marks(item=item, person=person, name=name, weight=weight, shape=votes.shape)
    return dawid_skene(marks, smoothing=smoothing)


def test_fleiss_kappa__worked_example() -> None:
    assert fleiss_kappa(FOURTEEN_RATERS) == pytest.approx(0.210, abs=5e-4)


def test_fleiss_kappa__perfect_agreement_is_one_and_one_name_only_is_undefined() -> None:
    assert fleiss_kappa(np.array([[3, 0], [0, 3]])) == 1
    assert np.isnan(fleiss_kappa(np.array([[3, 0], [3, 0]])))
    assert np.isnan(fleiss_kappa(np.array([[1, 0], [0, 1]])))


def test_fleiss_kappa__unequal_numbers_of_ratings_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many"):
        fleiss_kappa(np.array([[3, 0], [1, 1]]))


def test_krippendorff_alpha__worked_examples_with_missing_values() -> None:
    assert krippendorff_alpha(_counts(FOUR_OBSERVERS)) == pytest.approx(113 / 152)  # 0.743
    assert krippendorff_alpha(_counts(THREE_CODERS)) == pytest.approx(0.691358, abs=5e-7)


def test_krippendorff_alpha__worked_examples_of_two_observers() -> None:
    # Krippendorff (2011), parts A (two values) and B (five values)
    two = _counts(("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0"))
    assert krippendorff_alpha(two) == pytest.approx(2 / 21)  # 0.095
    five = _counts(("a a b b d c c c e d d a", "b a b b b c c c e d d d"))
    assert krippendorff_alpha(five) == pytest.approx(155 / 224)  # 0.692


def test_krippendorff_alpha__nothing_to_pair_is_undefined() -> None:
    assert np.isnan(krippendorff_alpha(np.array([[1, 0], [0, 1]])))
    assert np.isnan(krippendorff_alpha(np.array([[2, 0], [3, 0]])))


def test_alpha_of_each__of_two_names_is_the_alpha_of_both() -> None:
    counts = _counts(("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0"))
    np.testing.assert_allclose(alpha_of_each(counts), krippendorff_alpha(counts))


# Dawid and Skene (1979), Table 2, rounded to two places: true grade by row, grade given by column.
ERROR_RATES = """
.89 .11 0 0 | .07 .88 .05 0 | 0 .34 .66 0 | 0 0 .56 .44
.83 .17 0 0 | .05 .63 .31 0 | 0 0 1 0 | 0 0 0 1
1 0 0 0 | .11 .79 .11 0 | 0 .40 .20 .40 | 0 0 .67 .33
.94 .06 0 0 | .05 .84 .10 0 | 0 0 .80 .20 | 0 0 .33 .67
1 0 0 0 | .16 .73 .11 0 | 0 .21 .79 0 | 0 0 .33 .67
"""


def test_dawid_skene__the_anaesthetists() -> None:
    found = _fitted(_anaesthetists())
    published = np.array(ERROR_RATES.replace("|", " ").split(), float).reshape(5, 4, 4)
    np.testing.assert_allclose(found.confusion, published, atol=0.0065)
    np.testing.assert_allclose(found.prior, [0.40, 0.42, 0.11, 0.07], atol=0.006)
    assert found.prob[6, :2] == pytest.approx([0.98, 0.02], abs=0.006)  # Table 4, patient 7
    assert found.prob.argmax(axis=1)[[0, 1, 2, 3, 10]].tolist() == [0, 3, 1, 1, 3]


def test_dawid_skene__believes_the_reliable_over_the_many() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    votes = np.zeros((300, 5, 3))
    for annotator, skill in enumerate((0.97, 0.95, 0.4, 0.4, 0.4)):
        right = rng.random(300) < skill
        said = np.where(right, truth, rng.integers(0, 3, 300))
        votes[np.arange(300), annotator, said] = 1
    model = _fitted(votes, smoothing=1.0)
    majority = votes.sum(axis=1).argmax(axis=1)
    estimated = model.prob.argmax(axis=1)
    assert (estimated == truth).mean() > (majority == truth).mean()
    assert set(np.argsort(-model.accuracy())[:2].tolist()) == {0, 1}


def test_dawid_skene__annotator_without_votes_and_item_without_votes_do_no_harm() -> None:
    votes = np.zeros((3, 2, 2))
    votes[0, 0, 0] = votes[1, 0, 1] = 1
    model = _fitted(votes, smoothing=1.0)
    assert np.isfinite(model.prob).all()
    assert np.isfinite(model.accuracy()).all()


def test_krippendorff_alpha__ratings_by_their_distance() -> None:
    # Krippendorff (2011), part C: interval data, 0.849
    counts = _counts(FOUR_OBSERVERS)
    distance = interval_distance([1, 2, 3, 4, 5])
    assert krippendorff_alpha(counts, distance) == pytest.approx(0.849, abs=5e-4)


def test_masi__the_four_ways_two_sets_can_lie() -> None:
    # Passonneau (2006): equal, one inside the other, overlapping, nothing in common
    sets = [frozenset(s) for s in ({1, 2}, {1, 2, 3, 4}, {2, 3}, {5})]
    masi, jaccard = masi_distance(sets)[0], jaccard_distance(sets)[0]
    assert masi == pytest.approx([0, 1 - 2 / 4 * 2 / 3, 1 - 1 / 3 * 1 / 3, 1])
    assert jaccard == pytest.approx([0, 1 / 2, 2 / 3, 1])


def test_krippendorff_alpha__of_sets_of_one_is_the_nominal_one() -> None:
    counts = _counts(FOUR_OBSERVERS)
    sets = [frozenset({k}) for k in range(5)]
    for distance in (masi_distance(sets), jaccard_distance(sets)):
        assert krippendorff_alpha(counts, distance) == pytest.approx(113 / 152)


def test_krippendorff_alpha__sets_that_overlap_agree_in_part() -> None:
    # three annotators, two items; by hand: pairs within items 1/2 apart, or 0, against all pairs
    sets = [frozenset({0}), frozenset({0, 1}), frozenset({2})]
    counts = np.array([[1, 1, 0], [0, 0, 2]])
    observed = (0.5 + 0.5) / 4
    expected = (2 * 0.5 + 4 * 1 + 4 * 1) / 12
    alpha = krippendorff_alpha(counts, jaccard_distance(sets))
    assert alpha == pytest.approx(1 - observed / expected)


def test_dawid_skene__half_votes_count_half() -> None:
    votes = np.zeros((1, 3, 2))
    votes[0, 0] = [1, 0]
    votes[0, 1] = [0.5, 0.5]
    votes[0, 2] = [0, 1]
    assert _fitted(votes, smoothing=1.0).prob[0] == pytest.approx([0.5, 0.5])
