"""A few tries of each row; and that a row can fail."""

from pathlib import Path

import pytest

from benchmarks.lab.chaos import __main__ as command
from benchmarks.lab.chaos import aimed, bits, hidden, inputs, kills, mutated, twice
from benchmarks.lab.chaos.row import Asked, Row
from emo8.engine import files


def asked(folder: Path, tries: int) -> Asked:
    return Asked(folder=folder, seed=1, tries=tries, seconds=600)


@pytest.mark.parametrize("how", aimed.HOWS)
def test_aimed__every_change_of_a_write_leaves_the_old_file_or_the_new(
    tmp_path: Path, how: str
) -> None:
    place, scratch = tmp_path / "here", tmp_path / "scratch"
    scratch.mkdir()

    def write() -> int:
        files.write_text(place / "file", "after" * 100)
        return 0

    place.mkdir()
    changes = aimed.run(write, place, scratch).changes
    assert [change.split()[0] for change in changes[:3]] == ["os.mkdir", "open", "fsync"]
    for at in range(1, len(changes)):
        (place / "file").write_text("before")
        ended = aimed.run(write, place, scratch, at, how)
        assert ended.code == (70 if how == "full" else 137)
        assert len(ended.changes) >= at + 1
        assert (place / "file").read_text() in ("before", "after" * 100)


def test_aimed__a_careless_write_is_caught_half_done(tmp_path: Path) -> None:
    place, scratch = tmp_path / "here", tmp_path / "scratch"
    place.mkdir()
    scratch.mkdir()

    def careless() -> int:
        (place / "file").write_text("one")
        (place / "other").write_text("two")
        return 0

    assert aimed.run(careless, place, scratch, 1).code == 137
    assert [path.name for path in place.iterdir()] == ["file"]


@pytest.mark.slow
def test_hidden__a_few_kinds(tmp_path: Path) -> None:
    row = hidden.run(asked(tmp_path, 3))
    assert row.held_all and row.tries == 3


def test_hidden__search_sees_every_kind() -> None:
    numbers = iter(range(100))
    kinds = dict(hidden._kinds(lambda: f"secret-{next(numbers):017d}".encode()))
    assert len(kinds) >= 30
    assert all(hidden._found(secret, data) for _, secret, data in kinds.values())


def test_bits__a_few_of_each_place(tmp_path: Path) -> None:
    row = bits.run(asked(tmp_path, 12))
    assert row.held_all and set(row.figures["flips"].values()) == {2}


@pytest.mark.slow
def test_mutated__a_few(tmp_path: Path) -> None:
    row = mutated.run(asked(tmp_path, 40))
    assert row.held_all and row.tries == 40 and row.figures["peak_mb"] > 0


@pytest.mark.slow
def test_twice__one_of_each(tmp_path: Path) -> None:
    row = twice.run(asked(tmp_path, 3))
    assert row.held_all, row.broken
    assert row.tries == 4


@pytest.mark.slow
def test_kills__a_few(tmp_path: Path) -> None:
    row = kills.run(asked(tmp_path, 6))
    assert row.held_all, row.broken
    assert set(row.figures["commands"]) >= {"build", "publish", "votes", "remove", "pretrain"}


def test_table__names_what_broke() -> None:
    row = Row(name="bits", promise="all noticed")
    row.count("")
    row.count("bit 7 of x.parquet: told nothing")
    page = command.table({"bits": row.as_dict()})
    assert not row.held_all
    assert "| bits | all noticed | 2 | 1 |" in page and "- bit 7 of x.parquet" in page


def test_tree_hash__sees_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = inputs.tree_hash(tmp_path)
    (tmp_path / ".lock").write_text("")
    assert inputs.tree_hash(tmp_path) == before
    (tmp_path / "a").rename(tmp_path / "b")
    assert inputs.tree_hash(tmp_path) != before
