"""Ceilings against a simulation whose truth is known, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.people import ceiling
from benchmarks.people.crowds import top_shares
from benchmarks.people.votes import Votes, find
from emo8.core.errors import SourceError

NAMES = tuple("abcdefgh")


def crowds(kind: str, pictures: int, seed: int = 0) -> np.ndarray:
    """(N, 8) how the whole crowd answers."""
    rng = np.random.default_rng(seed)
    if kind == "vague":
        return rng.dirichlet(np.full(8, 0.3), pictures)
    shares = np.full((pictures, 8), 0.4 / 7)  # "clear": everybody is right with 0.6
    shares[np.arange(pictures), rng.integers(0, 8, pictures)] = 0.6
    return shares


def simulated(kind: str, people: int, pictures: int = 2000) -> tuple[np.ndarray, Votes]:
    shares = crowds(kind, pictures)
    counts = np.random.default_rng(1).multinomial(people, shares)
    return shares, Votes(origin="simulation", names=NAMES, counts=counts)


@pytest.mark.parametrize(("kind", "people"), [("vague", 5), ("clear", 5), ("vague", 20)])
def test_ceiling__is_what_a_perfect_model_reaches(kind, people):
    shares, votes = simulated(kind, people)
    label = top_shares(votes.counts)
    perfect = label[np.arange(len(shares)), shares.argmax(axis=1)].mean()
    found = ceiling.measure(votes, resamples=200)
    assert found.metrics["ceiling"] == pytest.approx(perfect, abs=0.02)
    low, high = found.interval95["ceiling"]
    assert low < found.metrics["ceiling"] < high


def test_split_half__agreement_and_its_bound_around_the_perfect_model():
    shares, votes = simulated("vague", 10)
    rng = np.random.default_rng(2)
    halves = [top_shares(rng.multinomial(5, shares)) for _ in range(2)]
    found = ceiling.measure(votes, resamples=200)
    agree = (halves[0] * halves[1]).sum(axis=1).mean()
    assert found.metrics["split_half"] == pytest.approx(agree, abs=0.03)
    perfect = halves[0][np.arange(len(shares)), shares.argmax(axis=1)].mean()
    assert found.metrics["split_half"] < perfect < found.metrics["split_half_bound"]


def test_leave_one_out__by_hand_with_ties():
    counts = np.array([[3, 1], [1, 1], [4, 0]])
    # 3:1: each of the three agrees (2:1), the other does not; 1:1: nobody; 4:0: all
    assert ceiling.leave_one_out(counts).tolist() == [0.75, 0.0, 1.0]
    # 2:2 with one taken away leaves 1:2 for the taken one
    assert ceiling.leave_one_out(np.array([[2, 2]])).tolist() == [0.0]
    assert ceiling.leave_one_out(np.array([[2, 1, 1]])).tolist() == [
        pytest.approx(1 / 6)
    ]  # 1:1:1 left


@pytest.mark.parametrize("people", [1, 3, 6])
def test_n_equivalent__of_a_model_that_is_the_majority_of_so_many_people(people):
    shares, votes = simulated("clear", 12, 4000)
    model = top_shares(np.random.default_rng(3).multinomial(people, shares))
    found = ceiling.measure(votes, resamples=100)
    worth, (low, high) = ceiling.n_equivalent(found, votes, model, resamples=200)
    assert low <= people <= high or worth == pytest.approx(people, rel=0.2)


def test_n_equivalent__nobody_and_more_than_can_be_told():
    shares, votes = simulated("clear", 6)
    found = ceiling.measure(votes, resamples=50)
    truth = np.eye(8)[shares.argmax(axis=1)]
    assert ceiling.n_equivalent(found, votes, truth, resamples=50)[0] == 5.0
    wrong = np.eye(8)[(shares.argmax(axis=1) + 1) % 8]
    assert ceiling.n_equivalent(found, votes, wrong, resamples=50)[0] == 0.0
    unasked = np.full((len(shares), 8), np.nan)
    assert np.isnan(ceiling.n_equivalent(found, votes, unasked)[0])


def test_measure__unequal_numbers_of_votes_one_label_and_none_to_compare():
    counts = np.array([[1, 0], [5, 1], [2, 0], [0, 3], [0, 0]])
    found = ceiling.measure(Votes(origin="x", names=("a", "b"), counts=counts), resamples=50)
    assert found.n == 3 and found.people == (2, 3, 6)
    same = ceiling.measure(
        Votes(origin="x", names=("a", "b"), counts=np.array([[3, 0], [4, 0]])), resamples=50
    )
    assert same.metrics["ceiling"] > 0.99 and same.metrics["leave_one_out"] == 1.0
    with pytest.raises(SourceError, match="no picture has two people's votes"):
        ceiling.measure(Votes(origin="x", names=("a", "b"), counts=counts[:1]))


def test_find__last_choice_of_each_person_and_no_yes_no(tmp_path):
    import pandas as pd

    from benchmarks.adapters import parquet
    from tests.benchmarks.conftest import face_rows, write

    rows = parquet.read(write(face_rows(each=2), tmp_path / "faces.parquet"))
    pd.DataFrame(
        [
            ("p", "ann", "choice", "Sad", True), ("p", "ann", "choice", "fear", True),
            ("p", "bob", "choice", "fear", True), ("p", "eve", "choice", "awe", False),
            ("p", "kim", "yes_no", "awe", True), ("q", "ann", "choice", "joy", None),
            ("z", "ann", "choice", "awe", None),
        ],
        columns=["id", "annotator", "kind", "emotion", "consent"],
    ).to_parquet(tmp_path / "votes.parquet")  # fmt: skip
    found = find(rows, ["p", "q"], ("awe", "fear"))
    assert found is not None and found.names == ("awe", "fear", "joy")
    assert found.counts.tolist() == [[0, 2, 0], [0, 0, 1]]
    assert any("yes/no" in note for note in found.notes)
    assert any("1 votes are on pictures" in note for note in found.notes)


def test_find__one_of_several_ticks_and_the_last_import(tmp_path):
    import pandas as pd

    from benchmarks.adapters import parquet
    from tests.benchmarks.conftest import face_rows, write

    rows = parquet.read(write(face_rows(each=2), tmp_path / "faces.parquet"))
    pd.DataFrame(
        [
            ("p", "ann", "select", "awe", "1"), ("p", "ann", "select", "fear", "1"),
            ("p", "bob", "choice", "awe", "1"), ("p", "bob", "choice", "fear", "2"),
            ("p", "eve", "select", "awe", "2"), ("p", "kim", "valence", None, "2"),
        ],
        columns=["id", "annotator", "kind", "emotion", "batch"],
    ).to_parquet(tmp_path / "votes.parquet")  # fmt: skip
    found = find(rows, ["p"], ("awe", "fear"))
    assert found.counts.sum() == 3 and found.counts[0, 1] >= 1 and found.counts[0, 0] >= 1
    assert any("1 people ticked several" in note for note in found.notes)
