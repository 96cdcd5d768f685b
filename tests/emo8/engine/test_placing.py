"""Parts whose number changed move; others are put aside, or go."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from emo8.engine.files import read_fingerprint, write_part
from emo8.engine.placing import arrange, forget
from emo8.engine.steps import earlier, part_path


def write(build: Path, marks: list[str], table: str = "measure") -> None:
    for number, mark in enumerate(marks):
        write_part(pa.table({"n": [number]}), part_path(build, table, number), mark)


def placed(build: Path, total: int, table: str = "measure") -> list[str | None]:
    return [read_fingerprint(part_path(build, table, number)) for number in range(total)]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["new", "a", "b", "c"], [None, "a", "b", "c"]),
        (["b", "c"], ["b", "c"]),
        (["c", "a", "x", "b"], ["c", "a", None, "b"]),
        (["a", "b", "c"], ["a", "b", "c"]),
    ],
)
def test_arrange__parts_move_to_their_numbers(
    tmp_path: Path, wanted: list[str], found: list[str | None]
) -> None:
    write(tmp_path, ["a", "b", "c"])
    arrange(tmp_path, {"measure": wanted}, useful=["measure"])
    assert placed(tmp_path, len(wanted)) == found
    assert not part_path(tmp_path, "measure", len(wanted)).exists()
    aside = {path.stem for path in earlier(tmp_path, "measure").glob("*")}
    assert aside == {"a", "b", "c"} - set(wanted)


def test_arrange__what_a_kill_left_aside_is_found_again(tmp_path: Path) -> None:
    write(tmp_path, ["a", "b", "c"])
    aside = earlier(tmp_path, "measure")
    aside.mkdir(parents=True)
    part_path(tmp_path, "measure", 1).rename(aside / "b.parquet")
    arrange(tmp_path, {"measure": ["b", "a"]}, useful=["measure"])
    assert placed(tmp_path, 2) == ["b", "a"]
    assert [path.stem for path in aside.glob("*")] == ["c"]
    forget(tmp_path)
    assert not aside.exists()


def test_arrange__useless_and_damaged_parts_go(tmp_path: Path) -> None:
    write(tmp_path, ["a", "b"])
    write(tmp_path, ["l", "m"], "label")
    part_path(tmp_path, "measure", 1).write_bytes(b"no part")
    arrange(tmp_path, {"measure": ["x", "b"], "label": ["x", "l"]}, useful=["measure"])
    assert placed(tmp_path, 2) == [None, None]
    assert placed(tmp_path, 2, "label") == [None, "l"]
    assert [path.stem for path in earlier(tmp_path, "measure").glob("*")] == ["a"]
    assert not earlier(tmp_path, "label").exists()
