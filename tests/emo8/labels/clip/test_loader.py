"""Pictures made ready ahead of the model."""

import threading
import time

import pytest

from emo8.labels.clip.loader import ahead


def test_ahead__keeps_the_order_whatever_takes_longest() -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return 2 * item

    found = list(ahead(range(50), slow_first, threads=4, num_ahead=8))
    assert found == [2 * item for item in range(50)]
    assert list(ahead([], slow_first, threads=1, num_ahead=2)) == []


def test_ahead__never_runs_further_ahead_than_asked() -> None:
    begun: list[int] = []
    lock = threading.Lock()

    def note(item: int) -> int:
        with lock:
            begun.append(item)
        return item

    for item in ahead(range(40), note, threads=2, num_ahead=3):
        assert max(begun) <= item + 3


def test_ahead__a_failure_comes_out_where_its_item_would() -> None:
    def picky(item: int) -> int:
        if item == 5:
            raise ValueError("no picture")
        return item

    found = []
    with pytest.raises(ValueError, match="no picture"):
        for item in ahead(range(20), picky, threads=2, num_ahead=10):
            found.append(item)
    assert found == [0, 1, 2, 3, 4]
