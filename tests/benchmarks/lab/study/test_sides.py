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
    found = sides._rows("train", corpus, 8)
    unseen = {row["caption"] for row in held_out}
    assert len(found) == len(train) + 8 - 8 * 80 // 256
    assert not [row for row in found if set(row["caption"].split(", in front of ")) & unseen]


def test_held_out__about_five_in_a_hundred_and_always_the_same() -> None:
    held = [sides.is_held_out(f"row-{number}") for number in range(4000)]
    assert 0.03 < sum(held) / len(held) < 0.07
    assert held[:50] == [sides.is_held_out(f"row-{number}") for number in range(50)]


def test_sides__out_of_domain_has_no_artist_and_fewer_as_many_of_all_kinds(
    corpus: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(data, "artist", lambda package: None if package == "pack" else "somebody")
    monkeypatch.setattr(data, "read", lambda folder: iter(rows))
    rows = [{"id": f"c{k}", "source_package": "pack" if k % 3 else "@x/noto"} for k in range(90)]
    monkeypatch.setattr(data, "compose_rows", lambda *given: iter([]))
    artists = {row["id"] for row in rows if row["source_package"] == "@x/noto"}
    train = {row["id"] for row in sides._rows("train", corpus, 0)}
    without = {row["id"] for row in sides._rows("out_of_domain", corpus, 0)}
    fewer = {row["id"] for row in sides._rows("fewer", corpus, 0)}
    assert without == train - artists and artists & train
    assert len(fewer) == len(without) and fewer < train and fewer & artists
