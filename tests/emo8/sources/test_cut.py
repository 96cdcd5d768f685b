"""Parts are cut by names: what comes, goes or is renamed moves the borders beside it alone."""

from __future__ import annotations

import numpy as np
import pytest

from emo8.sources.cut import MOST_ROWS, STEADY_PARTS, Cutter, grouped

NAMES = [f"folder/{number:05d}.jpg" for number in range(1000)]


def parts(names: list[str], part_rows: int = 20) -> list[tuple[str, ...]]:
    """The names of every part; all of them, once and in order."""
    cut = [tuple(names[piece]) for piece in Cutter(part_rows=part_rows).by_name(names)]
    assert [name for part in cut for name in part] == names
    return cut


def redone(before: list[str], after: list[str]) -> int:
    """How many parts of the second list are none of the first."""
    return len(set(parts(after)) - set(parts(before)))


@pytest.mark.parametrize("place", [0, 1, 333, 500, 998, 999])
def test_by_name__one_file_changes_the_part_it_lies_in(place: int) -> None:
    gone = NAMES[:place] + NAMES[place + 1 :]
    come = [*NAMES[:place], NAMES[place] + "a", *NAMES[place:]]
    renamed = [*NAMES[:place], NAMES[place] + "b", *NAMES[place + 1 :]]
    for changed in (gone, come, renamed):
        assert redone(NAMES, changed) <= 2  # two where the file begins a part, or comes to


def test_by_name__on_average_one_file_is_one_part() -> None:
    places = range(0, 1000, 10)
    assert np.mean([redone(NAMES, NAMES[:n] + NAMES[n + 1 :]) for n in places]) <= 1.15


def test_by_name__many_files_at_the_front_leave_the_rest() -> None:
    more = [f"another/{number}.png" for number in range(77)]
    assert redone(NAMES, more + NAMES) <= len(parts(more)) + 2


def test_by_name__a_list_that_grows_keeps_its_parts() -> None:
    names = [str(number) for number in range(30_000)]
    whole = parts(names, 4)
    assert parts(names[:20_000], 4)[:-1] == whole[: len(parts(names[:20_000], 4)) - 1]


def test_by_name__parts_are_about_as_large_as_asked() -> None:
    sizes = [len(part) for part in parts(NAMES)]
    assert all(10 <= size <= 60 for size in sizes[:-1])
    assert 14 <= np.mean(sizes) <= 28


@pytest.mark.parametrize(("part_rows", "num_parts"), [(1, 5), (100_000, 1)])
def test_by_name__ends_of_the_range(part_rows: int, num_parts: int) -> None:
    assert len(parts(NAMES[:5], part_rows)) == num_parts
    assert parts([], part_rows) == []


def test_by_name__names_that_are_no_text() -> None:
    assert parts(["a\udcff.jpg"] * 3, 1) == [("a\udcff.jpg",)] * 3


def test_by_number__rows_wanted_double_after_64_parts_up_to_a_cap() -> None:
    cutter = Cutter(part_rows=256)
    sizes = [piece.stop - piece.start for piece in cutter.by_number(10_000_000)]
    steps = [256, 512, 1024, 2048]
    assert sizes[: 4 * STEADY_PARTS] == [size for size in steps for _ in range(STEADY_PARTS)]
    assert set(sizes[4 * STEADY_PARTS : -1]) == {MOST_ROWS}
    assert len(sizes) == cutter.parts < 2700


def test_by_number__files_of_one_source_are_counted_together() -> None:
    cutter = Cutter(part_rows=2)
    first = [list(cutter.by_number(1)) for _ in range(STEADY_PARTS)]
    assert sum(map(len, first)) == STEADY_PARTS
    assert list(cutter.by_number(8)) == [slice(0, 4), slice(4, 8)]


def test_by_number__larger_parts_than_the_cap_are_as_asked() -> None:
    sizes = {piece.stop - piece.start for piece in Cutter(part_rows=10_000).by_number(10**6)}
    assert sizes == {10_000}


def test_grouped__pieces_keep_their_companions() -> None:
    pieces = [(f"part {number}", 256) for number in range(200)]
    groups = grouped(pieces, 4096)
    sizes = np.bincount(groups) * 256
    assert sizes[:-1].min() >= 2048 and sizes.max() <= 3 * 4096
    later = grouped([("another", 256), *pieces], 4096)[1:]
    same = np.diff(groups)[60:] == np.diff(later)[60:]
    assert same.all()
    assert grouped([("large", 9000)] * 3, 4096) == [0, 1, 2]
