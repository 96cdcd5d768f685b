"""Engines run part tasks: `local` in processes of this machine, `ray` on a cluster (`ray.py`).

The same task objects run everywhere and write the same bytes: one thread per worker, batches cut
inside a part. A task that fails, or whose worker dies, is tried once more on its own; a second
failure is reported with its cause, and the others go on.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from emo8.core import label_set
from emo8.core.errors import Emo8Error
from emo8.core.label_set import LabelSet
from emo8.engine import live, malloc, warm
from emo8.engine.processes import die_with_parent, single_thread, watch_parent

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
ENGINES = ("local", "ray")
ATTEMPTS = 2  # per task: one retry for what may have been bad luck


class Task(Protocol):
    """One part of work: picklable, writes its own output atomically."""

    @property
    def build(self) -> Path: ...
    @property
    def table(self) -> str: ...
    @property
    def part(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    def setup(self) -> Any: ...
    def run(self, state: Any) -> int: ...


@dataclass(frozen=True, kw_only=True)
class PartOutcome:
    """What became of one task."""

    task: Task
    num_rows: int = 0
    error: str | None = None  # None = done
    node: str = ""  # which machine of a cluster did it


class Engine(Protocol):
    """What runs tasks; an engine is a context, and what it started ends with it."""

    workers: int | None

    def distributor(self) -> tuple[str, str]:
        """The name img2dataset has for this engine, and the address of its cluster."""

    def run(self, tasks: Iterable[Task]) -> Iterator[PartOutcome]:
        """Outcomes as they come, in any order, one for each task."""

    def live_rows(self) -> int:
        """Rows done inside the tasks at work, as far as this engine knows."""

    def __enter__(self) -> Engine: ...
    def __exit__(self, *exception: object) -> None: ...


class LocalEngine:
    """Processes on this machine; they stay from step to step with what they imported.

    Every process has a thread here that feeds it, so a process that dies names its own task and
    takes no other down. The threads live as long as the engine, because a worker dies with the
    thread that started it (see `start_worker`).
    """

    def __init__(self, *, workers: int) -> None:
        self.workers: int | None = workers
        self.jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self.feeders: list[threading.Thread] = []
        self.counters: list[Any] = []  # per worker, shared with it: rows of the task at work

    def __enter__(self) -> LocalEngine:
        return self

    def distributor(self) -> tuple[str, str]:
        return "multiprocessing", ""

    def __exit__(self, *exception: object) -> None:
        for _ in self.feeders:
            self.jobs.put(None)
        for feeder in self.feeders:
            feeder.join()

    def run(self, tasks: Iterable[Task]) -> Iterator[PartOutcome]:
        """Outcomes as they come."""
        stop = threading.Event()
        outcomes: queue.SimpleQueue[PartOutcome] = queue.SimpleQueue()
        waited_for = 0
        for task in tasks:
            self.jobs.put(_Job(task=task, outcomes=outcomes, stop=stop))
            waited_for += 1
        while len(self.feeders) < min(self.workers or 1, waited_for):
            self.feeders.append(threading.Thread(target=self._feed, daemon=True))
            self.feeders[-1].start()
        try:
            while waited_for:
                outcome = outcomes.get()
                waited_for -= 1
                yield outcome
        finally:  # also on Ctrl-C: tasks in flight end, the rest is left for the next run
            stop.set()
            for _ in range(waited_for):
                outcomes.get()

    def live_rows(self) -> int:
        return sum(counter.value for counter in self.counters)

    def _feed(self) -> None:
        """Feed one worker process until the engine ends; replace it when it dies."""
        worker: ProcessPoolExecutor | None = None
        counter = warm.workers().Value("q", 0, lock=False)
        self.counters.append(counter)
        while (job := self.jobs.get()) is not None:
            outcome = PartOutcome(task=job.task, error="not begun")
            for _ in range(0 if job.stop.is_set() else ATTEMPTS):
                worker = worker or _hire(counter)
                try:
                    num_rows = worker.submit(run_task, job.task).result()
                    outcome = PartOutcome(task=job.task, num_rows=num_rows)
                    break
                except BrokenProcessPool:
                    worker.shutdown()
                    worker = None
                    error = "its worker process died (killed, or out of memory)"
                except Exception as cause:
                    error = f"{type(cause).__name__}: {cause}"
                logger.warning("%s part %d: %s", job.task.table, job.task.part, error)
                outcome = PartOutcome(task=job.task, error=error)
            counter.value = 0  # from here on the outcome counts them
            job.outcomes.put(outcome)
        if worker:
            _dismiss(worker)


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A task on its way to a worker, and where its outcome goes."""

    task: Task
    outcomes: queue.SimpleQueue[PartOutcome]
    stop: threading.Event  # set: leave the task for the next run


def _hire(counter: Any = None) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        1,
        mp_context=warm.workers(),
        initializer=start_worker,
        initargs=(dict(os.environ), counter, label_set.current()),
    )


def _dismiss(worker: ProcessPoolExecutor) -> None:
    with suppress(BrokenProcessPool):  # it has left before
        worker.submit(os._exit, 0)  # all it did is on disk: leaving torch politely takes a second
    worker.shutdown()


def in_a_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """What a function returns or raises, run where its memory goes with it: it loads a model."""
    warm.want(warm.MODEL)
    worker = _hire()
    try:
        return worker.submit(function, *arguments).result()
    except BrokenProcessPool:
        raise Emo8Error(
            "a worker process died at once: killed, out of memory, or started by a script that "
            'calls emo8 outside of `if __name__ == "__main__":`, which workers need'
        ) from None
    finally:
        _dismiss(worker)


def make_engine(name: str, *, workers: int | None = None, address: str | None = None) -> Engine:
    """The engine called `name`; Emo8Error for an unknown name or options it does not take."""
    if name == "local":
        if address:
            raise Emo8Error(f"--address {address}: only --engine ray knows a cluster")
        return LocalEngine(workers=workers or os.cpu_count() or 1)
    if name == "ray":
        from emo8.engine.ray import RayEngine

        return RayEngine(workers=workers, address=address)
    raise Emo8Error(f"unknown engine {name!r}: use {' or '.join(ENGINES)}")


def start_worker(environment: dict[str, str], counter: Any, labels: LabelSet) -> None:
    """Make this worker single-threaded, deaf to Ctrl-C, and mortal with its parent's thread.

    It works with the label set of whoever started it.
    """
    label_set.work_with(labels)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    os.environ.update(environment)
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    malloc.keep_freed()
    live.listen(counter)
    if server := sys.modules.get(warm.SERVER):
        die_with_parent(server.PID)
        watch_parent()
    else:
        die_with_parent()


_states: dict[str, Any] = {}


def run_task(task: Task) -> int:
    """Run one task in this process with the state its step set up here before."""
    key = f"{task.build}/{task.table}"
    if key not in _states:
        _states.clear()  # steps run one after another: one model in memory at a time
        _states[key] = task.setup()
        single_thread()
    live.begin()
    return task.run(_states[key])
