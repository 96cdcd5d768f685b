"""What a user sees while parts are worked on: rows, inside a part too."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emo8.engine import live
from emo8.engine.local import LocalEngine
from emo8.engine.progress import stage
from tests.conftest import write_recipe


@dataclass(frozen=True)
class Slow:
    """One part whose second half waits until somebody has seen the first."""

    build: Path
    part: int = 0
    table: str = "slow"
    fingerprint: str = ""

    def setup(self) -> None:
        return None

    def run(self, state: Any) -> int:
        for row in live.ticked(range(10)):
            while row == 5 and not (self.build / "seen").exists():
                time.sleep(0.01)
        return 10


def test_live_rows__count_inside_a_part_and_end_with_it(tmp_path: Path) -> None:
    with LocalEngine(workers=1) as engine:
        outcomes = engine.run([Slow(tmp_path)])
        seen: list[int] = []

        def look() -> None:
            while engine.live_rows() != 5:
                time.sleep(0.01)
            seen.append(engine.live_rows())
            (tmp_path / "seen").touch()

        watcher = threading.Thread(target=look)
        watcher.start()
        assert [outcome.num_rows for outcome in outcomes] == [10]
        watcher.join()
        assert seen == [5] and engine.live_rows() == 0


def test_stage__a_terminal_shows_rows_and_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with stage("measure", 1, total_rows=12, live=lambda: 7):
        time.sleep(0.3)  # the bar is drawn ten times a second
    assert "measure" in screen.getvalue() and "7/12" in screen.getvalue()
    assert "measure: 12 rows in" in screen.getvalue()


def test_build__says_what_it_does_before_its_imports(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, '[[source]]\nkind = "folder"\npath = "none"\n')
    program = (
        "import sys; from emo8.cli import main; import emo8.engine.progress as progress\n"
        "def say(text):\n    print(text, 'pandas' in sys.modules); sys.exit(0)\n"
        "progress.say = say\n"
        f"main(['build', {str(recipe)!r}, '-o', 'B'])"
    )
    said = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert said.startswith("build: ") and said.endswith(" False\n")
