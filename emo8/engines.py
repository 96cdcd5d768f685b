"""Engines run part tasks: `local` in processes of this machine, `ray` on a cluster (`cluster.py`).

The same task objects run everywhere and write the same bytes: one thread per worker, batches cut
inside a part. A task that fails, or whose worker dies, is tried once more on its own; a second
failure is reported with its cause, and the others go on.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from emo8.errors import Emo8Error

logger = logging.getLogger(__name__)

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
class Outcome:
    """What became of one task."""

    task: Task
    num_rows: int = 0
    error: str | None = None  # None = done
    node: str = ""  # which machine of a cluster did it


class Engine(Protocol):
    """What runs tasks; an engine is a context, and what it started ends with it."""

    def run(self, tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Outcomes as they come, in any order, one for each task."""

    def __enter__(self) -> Engine: ...
    def __exit__(self, *exception: object) -> None: ...


@dataclass(frozen=True, kw_only=True)
class LocalEngine:
    """Processes on this machine."""

    workers: int

    def run(self, tasks: Iterable[Task]) -> Iterator[Outcome]:
        return run_local(tasks, self.workers)

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *exception: object) -> None:
        return None


def make_engine(name: str, *, workers: int | None = None, address: str | None = None) -> Engine:
    """The engine called `name`; Emo8Error for an unknown name or options it does not take."""
    if name == "local":
        if address:
            raise Emo8Error(f"--address {address}: only --engine ray knows a cluster")
        return LocalEngine(workers=workers or os.cpu_count() or 1)
    if name == "ray":
        from emo8.cluster import RayEngine

        return RayEngine(workers=workers, address=address)
    raise Emo8Error(f"unknown engine {name!r}: use {' or '.join(ENGINES)}")


def run_local(tasks: Iterable[Task], workers: int) -> Iterator[Outcome]:
    """Outcomes as they come, from `workers` processes on this machine.

    Every process has a thread here that feeds it, so a process that dies names its own task and
    takes no other down.
    """
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    num_tasks = 0
    for task in tasks:
        waiting.put(task)
        num_tasks += 1
    stop = threading.Event()
    feeders = [
        threading.Thread(target=_feed, args=(waiting, outcomes, stop), daemon=True)
        for _ in range(min(workers, num_tasks))
    ]
    for feeder in feeders:
        feeder.start()
    try:
        for _ in range(num_tasks):
            yield outcomes.get()
    finally:  # also on Ctrl-C: tasks in flight end, the rest is left for the next run
        stop.set()
        for feeder in feeders:
            feeder.join()


def _feed(
    waiting: queue.SimpleQueue[Task], outcomes: queue.SimpleQueue[Outcome], stop: threading.Event
) -> None:
    """Feed one worker process until nothing waits; replace it when it dies."""
    worker: ProcessPoolExecutor | None = None
    while not stop.is_set():
        try:
            task = waiting.get_nowait()
        except queue.Empty:
            break
        outcome = Outcome(task=task)
        for _ in range(ATTEMPTS):
            worker = worker or ProcessPoolExecutor(
                1, mp_context=multiprocessing.get_context("spawn"), initializer=start_worker
            )
            try:
                outcome = Outcome(task=task, num_rows=worker.submit(run_task, task).result())
                break
            except BrokenProcessPool:
                worker.shutdown()
                worker = None
                error = "its worker process died (killed, or out of memory)"
            except Exception as cause:
                error = f"{type(cause).__name__}: {cause}"
            logger.warning("%s part %d: %s", task.table, task.part, error)
            outcome = Outcome(task=task, error=error)
        outcomes.put(outcome)
    if worker:
        worker.shutdown()


def start_worker() -> None:
    """Make this worker single-threaded, deaf to Ctrl-C, and mortal with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() == 1:
            os._exit(1)


_states: dict[str, Any] = {}


def run_task(task: Task) -> int:
    """Run one task in this process with the state its step set up here before."""
    key = f"{task.build}/{task.table}"
    if key not in _states:
        _states.clear()  # steps run one after another: one model in memory at a time
        _states[key] = task.setup()
        _single_thread()
    return task.run(_states[key])


def _single_thread() -> None:
    """One thread for every library that is loaded: sums then do not depend on the worker count."""
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
