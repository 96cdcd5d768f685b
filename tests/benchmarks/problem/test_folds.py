from __future__ import annotations

import numpy as np
import pytest

from benchmarks.problem import folds
from emo8.core.errors import SourceError


def rows(counts: dict[str, int], split: str = "", copies: int = 1) -> folds.Rows:
    names = [name for name, count in counts.items() for _ in range(count)]
    cluster = np.arange(len(names)) // copies
    return folds.Rows(
        emotion=np.array(names),
        split=np.full(len(names), split, dtype="<U5"),
        cluster=cluster,
        origin="here",
    )


def test_kfold__tests_each_row_once():
    plan = folds.own_or_kfold(rows({"awe": 13, "fear": 22}), 5, seed=0)
    assert plan.split == "5-fold"
    tested = np.concatenate([fold.test for fold in plan.folds])
    assert sorted(tested) == list(range(35))
    for fold in plan.folds:
        assert not set(fold.train) & set(fold.test)
        assert len(fold.train) + len(fold.test) == 35


def test_kfold__clusters_do_not_straddle():
    data = rows({"awe": 24, "fear": 24}, copies=3)
    for fold in folds.own_or_kfold(data, 4, seed=0).folds:
        assert not set(data.cluster[fold.train]) & set(data.cluster[fold.test])


def test_kfold__too_few_rows_names_the_counts():
    with pytest.raises(SourceError, match=r"5 folds \(awe 2, fear 3\).*--folds"):
        folds.own_or_kfold(rows({"awe": 2, "fear": 3}), None, seed=0)


def test_kfold__follows_the_seed():
    data = rows({"awe": 20, "fear": 20})
    first, again, other = (folds.own_or_kfold(data, 5, seed=s).folds[0].test for s in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def with_split(test_awe: int) -> folds.Rows:
    data = rows({"awe": 30, "fear": 30})
    data.split[:] = "train"
    data.split[:test_awe] = "test"
    data.split[30:36] = "test"
    data.split[40:44] = "val"
    return data


def test_own_split__is_used_where_it_is_usable():
    plan = folds.own_or_kfold(with_split(6), None, seed=0)
    assert plan.split == "own"
    (fold,) = plan.folds
    assert (len(fold.train), len(fold.valid), len(fold.test)) == (44, 4, 12)


def test_own_split__too_small_a_test_gives_folds_and_says_so():
    plan = folds.own_or_kfold(with_split(2), None, seed=0)
    assert plan.split == "5-fold"
    assert plan.notes == ("own split not used: under 5 rows in train or test of awe",)


def test_own_split__can_be_insisted_on():
    assert folds.own_or_kfold(with_split(2), 0, seed=0).split == "own"
    with pytest.raises(SourceError, match="has no own train and test split"):
        folds.own_or_kfold(rows({"awe": 9, "fear": 9}), 0, seed=0)


def test_own_split__counts_copies_across():
    data = with_split(6)
    data.cluster[29] = data.cluster[0]
    assert "1 test rows have a copy" in folds.own_or_kfold(data, None, seed=0).notes[0]


def test_leave_group_out__takes_copies_out_of_training():
    data = rows({"awe": 10, "fear": 10})
    data.cluster[11] = data.cluster[0]
    groups = ["a"] * 10 + ["b"] * 10
    first, second = folds.leave_group_out(data, groups, None, seed=0)
    assert 11 not in first.folds[0].train
    assert 0 not in second.folds[0].train
    assert first.notes == (
        "1 training rows left out as copies of test rows",
        "no training rows of awe: always wrong there",
    )


def test_leave_group_out__needs_two_groups():
    with pytest.raises(SourceError, match="needs two"):
        folds.leave_group_out(rows({"awe": 4, "fear": 4}), ["a"] * 8, None, seed=0)


def test_numbered__takes_the_fallback_where_there_is_no_value():
    found = folds.numbered(["x", None, "x", None, None], ["p", "q", "r", "q", "x"])
    assert found.tolist() == [0, 1, 0, 1, 2]
