import numpy as np

from emo8.duplicates.clusters import license_rank, roots, survivors


def test_roots__chains_are_one_cluster_named_by_its_first_row() -> None:
    assert roots(5, np.array([[1, 3], [3, 4]])).tolist() == [0, 1, 2, 1, 1]


def test_survivors__best_row_stays_and_rows_two_copies_away_leave() -> None:
    chain = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    kept = survivors(6, chain, np.array([1, 2, 0, 3, 4, 5]))
    assert kept.tolist() == [2, 2, 2, 2, 2, 5]


def test_survivors__far_end_of_a_chain_stays_too() -> None:
    chain = np.array([[0, 1], [1, 2], [2, 3]])
    assert survivors(4, chain, np.arange(4)).tolist() == [0, 0, 0, 3]


def test_survivors__a_hundred_thousand_copies_of_one_row_leave_one() -> None:
    star = np.stack([np.zeros(99_999, int), np.arange(1, 100_000)], axis=1)
    kept = survivors(100_000, star, np.arange(100_000)[::-1].copy())
    assert np.unique(kept).tolist() == [99_999]


def test_license_rank__share_alike_and_non_commercial_are_not_plain_attribution() -> None:
    ranks = [license_rank(n) for n in ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-NC-4.0", "?")]
    assert ranks == [0, 1, 2, 3, 4]
