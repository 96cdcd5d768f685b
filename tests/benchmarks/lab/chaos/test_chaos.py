"""A few tries of each row; and that a row can fail."""

import json
import os
import random
import subprocess
import sys
import threading
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab.chaos import __main__ as command
from benchmarks.lab.chaos import aimed, hidden, inputs, kills
from benchmarks.lab.chaos.row import Row

AIMED = str(Path(__file__).with_name("aimed_commands.py"))


def row_of(folder: Path, name: str, share: float) -> dict[str, Any]:
    """A row by the command, in a process of its own: it forks, and pytest has threads."""
    words = ["--only", name, "--seed", "1", "--share", str(share), "--out", str(folder / "table")]
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.lab.chaos", *words],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    row: dict[str, Any] = json.loads((folder / "table.json").read_text())["rows"][name]
    assert not row["broken"] and told.returncode == 0, (row["broken"], told.stderr)
    return row


def aimed_at(place: Path, deed: str, at: int = -1, how: str = "kill") -> dict[str, Any]:
    """How a small command of `aimed_commands.py` ended, with its changes."""
    words = [sys.executable, AIMED, deed, str(place), str(at), how]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


@pytest.mark.parametrize("how", aimed.HOWS)
def test_aimed__every_change_of_a_write_leaves_the_old_file_or_the_new(
    tmp_path: Path, how: str
) -> None:
    place = tmp_path / "here"
    place.mkdir()
    changes = aimed_at(place, "write")["changes"]
    assert [change.split()[0] for change in changes[:3]] == ["os.mkdir", "open", "fsync"]
    for at in range(1, len(changes)):
        (place / "file").write_text("before")
        ended = aimed_at(place, "write", at, how)
        assert ended["code"] == (70 if how == "full" else 137)
        assert len(ended["changes"]) >= at + 1
        assert (place / "file").read_text() in ("before", "after" * 100)


def test_aimed__a_careless_write_is_caught_half_done(tmp_path: Path) -> None:
    place = tmp_path / "here"
    place.mkdir()
    assert aimed_at(place, "careless", 1)["code"] == 137
    assert [path.name for path in place.iterdir()] == ["file"]


def test_aimed__refuses_to_fork_beside_other_threads(tmp_path: Path) -> None:
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    try:
        with pytest.raises(RuntimeError, match=r"python -m benchmarks\.lab\.chaos"):
            aimed.run(lambda: 0, tmp_path, tmp_path)
    finally:
        over.set()
        other.join()


def test_hidden__a_few_kinds(tmp_path: Path) -> None:
    assert row_of(tmp_path, "hidden", 0.03)["tries"] == 3


def test_hidden__search_sees_every_kind() -> None:
    numbers = iter(range(100))
    kinds = dict(hidden._kinds(lambda: f"secret-{next(numbers):017d}".encode()))
    assert len(kinds) >= 30
    assert all(hidden._found(secret, data) for _, secret, data in kinds.values())


def test_bits__a_few_of_each_place(tmp_path: Path) -> None:
    assert set(row_of(tmp_path, "bits", 0.2)["figures"]["flips"].values()) == {2}


@pytest.mark.slow
def test_mutated__a_few(tmp_path: Path) -> None:
    row = row_of(tmp_path, "mutated", 0.004)
    assert row["tries"] == 40 and row["figures"]["peak_mb"] > 0


@pytest.mark.slow
def test_twice__one_of_each(tmp_path: Path) -> None:
    assert row_of(tmp_path, "twice", 0.34)["tries"] == 4


@pytest.mark.slow
def test_peers__a_few(tmp_path: Path) -> None:
    figures = row_of(tmp_path, "peers", 0.17)["figures"]
    assert figures["to_parquet"]["killed"] == figures["save_to_disk"]["bits"] == 1


@pytest.mark.slow
def test_kills__a_few(tmp_path: Path) -> None:
    row = row_of(tmp_path, "kills", 0.03)
    assert set(row["figures"]["commands"]) >= {"build", "publish", "votes", "remove", "pretrain"}


def test_kills__are_spread_over_all_changes_of_all_commands() -> None:
    def victim(name: str) -> kills.Victim:
        return kills.Victim(name=name, before=Path(), command=int, state=str, whole=str)

    runs = [(victim("long"), 100), (victim("short"), 4)]
    plan = kills._plan(runs, 60, random.Random(0))
    by_name = {name: [(at, how) for one, at, how in plan if one.name == name]
               for name in ("long", "short")}  # fmt: skip
    assert sorted(by_name["short"]) == sorted(product(range(4), aimed.HOWS))
    assert len(plan) == 60 and len(set(by_name["long"])) == 48
    assert {at // 10 for at, _ in by_name["long"]} == set(range(10))
    assert {how for _, how in by_name["long"]} == set(aimed.HOWS)


def test_table__names_what_broke() -> None:
    row = Row(name="bits", promise="all noticed")
    row.count("")
    row.count("bit 7 of x.parquet: told nothing")
    page = command.table({"bits": row.as_dict()})
    assert not row.held_all
    assert "| bits | all noticed | 2 | 1 |" in page and "- bit 7 of x.parquet" in page


def test_sum_of__two_seeds_of_one_row() -> None:
    rows = []
    for seed, problem in ((0, ""), (1, "it broke")):
        figures = {"commands": {"build": {"changes": 9, "tries": 1}}, "took_s": 2.0}
        row = Row(name="kills", promise="p", figures=figures, command=f"--seed {seed}")
        row.count(problem)
        rows.append(row.as_dict())
    both = command.sum_of(*rows)
    assert (both["tries"], both["held"], both["broken"]) == (2, 1, ["it broke"])
    assert both["figures"] == {"commands": {"build": {"changes": 9, "tries": 2}}, "took_s": 4.0}
    assert both["command"] == "--seed 0; --add --seed 1"


def test_tree_hash__sees_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = inputs.tree_hash(tmp_path)
    (tmp_path / ".lock").write_text("")
    assert inputs.tree_hash(tmp_path) == before
    (tmp_path / "a").rename(tmp_path / "b")
    assert inputs.tree_hash(tmp_path) != before
