"""Proofs about rows: what is there, what is not, and nothing else."""

import copy
import hashlib
import json

import pytest

from emo8.publish.merkle import Tree, check, row_hash


def rows(number: int) -> list[tuple[str, str]]:
    digest = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(number)]
    return [(key, hashlib.sha256(key.encode()).hexdigest()) for key in digest]


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 7, 8, 33])
def test_prove__every_row_is_in_and_every_other_is_not(number: int) -> None:
    tree = Tree(rows(number))
    for key, _ in rows(number):
        proof = tree.prove(key)
        assert proof["present"] and check(json.loads(json.dumps(proof)))
    for key in ("0" * 64, "f" * 64, *(f"{n:x}" * 8 for n in range(16))):
        proof = tree.prove(key)
        assert not proof["present"] and check(proof)


def test_root__depends_on_every_row_and_not_on_their_order() -> None:
    root = Tree(rows(9)).root
    assert Tree(rows(9)[::-1]).root == root
    for place in range(9):
        changed = rows(9)
        changed[place] = (changed[place][0], "0" * 64)
        assert Tree(changed).root != root
    assert len({Tree(rows(n)).root for n in range(12)}) == 12


def test_check__forged_proofs_do_not_hold() -> None:
    tree = Tree(rows(9))
    key = rows(9)[4][0]
    proof = tree.prove(key)
    for spoil in (
        lambda p: p.update(root="0" * 64),
        lambda p: p.update(rows=8),
        lambda p: p.update(id="0" * 64),
        lambda p: p["leaves"][0].update(row="0" * 64),
        lambda p: p["leaves"][0]["path"].pop(),
        lambda p: p["leaves"][0].update(place=p["leaves"][0]["place"] + 2),
        lambda p: p.update(present=False),
    ):
        forged = copy.deepcopy(proof)
        spoil(forged)
        assert not check(forged)


def test_check__absence_needs_the_two_neighbours() -> None:
    tree = Tree(rows(9))
    inside = tree.ids[4]
    apart = {**tree.prove("0" * 64), "id": inside}
    leaves = [tree.prove(tree.ids[n])["leaves"][0] for n in (3, 5)]
    assert not check({**apart, "leaves": leaves})  # not next to each other
    assert not check({**apart, "leaves": leaves[:1]})  # not at an end
    last = tree.prove("f" * 64)
    assert check(last) and not check({**last, "rows": 10})  # the root knows how many there are


def test_row_hash__holds_all_but_the_picture_bytes() -> None:
    row = {"id": "a", "caption": "é", "image": {"bytes": b"x"}, "emotion_prob": [0.5, 0.25]}
    assert row_hash(row) == row_hash({**row, "image": None})
    assert row_hash(row) != row_hash({**row, "caption": None})
    assert row_hash(dict(reversed(row.items()))) == row_hash(row)
    text = '{"caption":"é","emotion_prob":[0.5,0.25],"id":"a"}'  # as docs/verify.md says
    assert row_hash(row) == hashlib.sha256(text.encode()).hexdigest()
