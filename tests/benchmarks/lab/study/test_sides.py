"""Held-out pictures: never learned from, neither by themselves nor inside a composite."""

from pathlib import Path

import pytest

from benchmarks.lab.study import data, sides
from tests.benchmarks.lab.study.test_claim import corpus  # noqa: F401


def test_sides__composites_hold_pictures_of_their_side_alone(
    corpus: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sides, "HELD_OUT_BELOW", 80)
    train, held_out = sides.split(corpus)
    assert train and held_out and not {r["id"] for r in train} & {r["id"] for r in held_out}
    figures = {row["figure"] for row in data.compose_rows(train, 8, 0)}
    assert figures <= {row["id"] for row in train}
    found = sides._sides(corpus, 8)
    unseen = {row["caption"] for row in held_out}
    assert len(found["train"]) == len(train) + 8 - 8 * 80 // 256
    assert not [row for row in found["train"]
                if set(row["caption"].split(", in front of ")) & unseen]  # fmt: skip


def test_held_out__about_five_in_a_hundred_and_always_the_same() -> None:
    held = [sides.is_held_out(f"row-{number}") for number in range(4000)]
    assert 0.03 < sum(held) / len(held) < 0.07
    assert held[:50] == [sides.is_held_out(f"row-{number}") for number in range(50)]
