"""Items made beside the one who uses them."""

import threading
from collections.abc import Iterator

import pytest

from pretrain.data.ahead import WAITING, ahead


def test_ahead__keeps_the_order() -> None:
    assert list(ahead(range(20))) == list(range(20))


def test_ahead__raises_where_it_is_asked() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("no picture")

    items = ahead(broken())
    assert next(items) == 1
    with pytest.raises(ValueError, match="no picture"):
        next(items)


def test_ahead__closed_stops_making_and_leaves_no_thread() -> None:
    made = []

    def endless() -> Iterator[int]:
        while True:
            made.append(len(made))
            yield made[-1]

    items = ahead(endless())
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert len(made) <= WAITING + 3
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]
