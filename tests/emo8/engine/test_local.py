import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emo8.core.errors import Emo8Error, ModelError
from emo8.engine.local import LocalEngine, in_a_process


@dataclass(frozen=True)
class Job:
    """A task that behaves as its name says."""

    part: int
    behaviour: str
    build: Path
    table: str = "job"
    fingerprint: str = ""

    def setup(self) -> int:
        return os.getpid()

    def run(self, state: Any) -> int:
        marker = self.build / f"tried-{self.part}"
        first = not marker.exists()
        marker.touch()
        if self.behaviour == "dies" or (self.behaviour == "dies once" and first):
            os._exit(9)
        if self.behaviour == "raises":
            raise RuntimeError("no luck")
        (self.build / f"done-{self.part}").write_text(str(state))
        return 5


def run(tmp_path: Path, behaviours: list[str], workers: int = 2) -> dict[int, str | None]:
    jobs = [Job(part, behaviour, tmp_path) for part, behaviour in enumerate(behaviours)]
    with LocalEngine(workers=workers) as engine:
        return {outcome.task.part: outcome.error for outcome in engine.run(jobs)}


def test_local_engine__one_dying_task_costs_itself_alone(tmp_path: Path) -> None:
    errors = run(tmp_path, ["works", "dies", "works", "dies once", "raises", "works"])
    assert {part for part, error in errors.items() if error} == {1, 4}
    assert "died" in str(errors[1])
    assert errors[4] == "RuntimeError: no luck"


def test_local_engine__processes_stay_from_step_to_step(tmp_path: Path) -> None:
    states = []
    with LocalEngine(workers=1) as engine:
        for step in ("a", "b"):
            (tmp_path / step).mkdir()
            list(engine.run([Job(0, "works", tmp_path / step)]))
            states.append((tmp_path / step / "done-0").read_text())
    assert states[0] == states[1]


def test_local_engine__setup_runs_once_per_worker(tmp_path: Path) -> None:
    run(tmp_path, ["works"] * 6)
    states = {path.read_text() for path in tmp_path.glob("done-*")}
    assert 1 <= len(states) <= 2


def test_local_engine__stopping_early_leaves_no_process(tmp_path: Path) -> None:
    with LocalEngine(workers=2) as engine:
        outcomes = engine.run([Job(part, "works", tmp_path) for part in range(40)])
        next(outcomes)
        outcomes.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()
    done = len(list(tmp_path.glob("done-*")))
    assert 1 <= done < 40


def _refuse(name: str) -> None:
    raise ModelError(f"unknown model {name!r}")


def test_in_a_process__returns_and_raises_what_the_function_does() -> None:
    assert in_a_process(os.getpid) != os.getpid()
    with pytest.raises(ModelError, match="unknown model 'x'"):
        in_a_process(_refuse, "x")


def test_in_a_process__a_death_is_explained() -> None:
    with pytest.raises(Emo8Error, match=r"out of memory, or started by a script .*__main__"):
        in_a_process(os._exit, 9)


def test_local_engine__a_worker_killed_while_idle_troubles_nobody(tmp_path: Path) -> None:
    with LocalEngine(workers=1) as engine:
        assert [o.error for o in engine.run([Job(0, "works", tmp_path)])] == [None]
        for child in multiprocessing.active_children():
            child.kill()
            child.join()
    assert not multiprocessing.active_children()
