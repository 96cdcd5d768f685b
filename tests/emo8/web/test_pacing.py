import time
from pathlib import Path

import pytest

from emo8.web import pacing
from emo8.web.pacing import Pacing


def test_turn__clock_that_was_set_back_stalls_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was noted before the clock went back an hour moves back with it."""
    options = {"connections": 1, "delay_s": 0.5, "max_rest_s": 60.0, "give_up_after": 3}
    slept: list[float] = []
    really = time.time
    monkeypatch.setattr(pacing.time, "sleep", slept.append)
    with Pacing(tmp_path, **options).turn("example.org"):  # type: ignore[arg-type]
        pass
    monkeypatch.setattr(pacing.time, "time", lambda: really() - 3600)
    late = Pacing(tmp_path, **options)  # type: ignore[arg-type]
    with late.turn("example.org"):
        pass
    assert sum(slept) <= 0.5 + 0.1
    late.throttled("example.org", 5.0)
    monkeypatch.setattr(pacing.time, "time", lambda: really() - 7200)
    slept.clear()
    with late._state("example.org") as state:
        assert state.rest_until - (really() - 7200) < 5.1
