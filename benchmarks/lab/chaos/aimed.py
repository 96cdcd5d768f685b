"""A command in a process of its own that is killed, or whose system call fails, at a chosen change.

Every change that a command makes below one folder is counted: files opened to be written, names
made, renamed and removed, and fsync. At the n-th the process kills itself (`kill`), also right
`after` the call or with the file half written (`tear`), stands still (`stop`), or the call fails as
on a full disk (`full`). Part tasks run in the same process, so that the n-th change is the same one
each time. Processes are forked from this one: what it has imported they need not import again.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOWS = ("kill", "tear", "full")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_NAMES = frozenset(("os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.symlink"))
_HEAVY = (
    "torch", "torch._dynamo", "open_clip", "cv2", "duckdb", "datasets", "pyarrow.parquet",
    "pyarrow.dataset", "emo8.pipeline.run", "emo8.publish.send", "emo8.labels.describe",
    "pretrain.train.loop",
)  # fmt: skip
PATIENCE_S = 300  # then the command is ended, with 142
Command = Callable[[], int]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int  # as a shell has it: 137 = killed
    changes: tuple[str, ...]  # that it made, in order, the last one perhaps only tried
    output: str

    @property
    def traceback(self) -> str:
        """The last line of one; "" = none was shown."""
        if "Traceback (most recent call last)" not in self.output:
            return ""
        return self.output.strip().splitlines()[-1]


def import_all() -> None:
    """Load here what the commands need, so that no process has to."""
    for name in _HEAVY:
        importlib.import_module(name)


@dataclass(frozen=True, kw_only=True)
class Running:
    """A command in its process."""

    child: int
    told: Path
    log: Path

    def stopped(self) -> bool:
        """Wait until it stands still at its change; False when it has ended without."""
        return os.WIFSTOPPED(os.waitpid(self.child, os.WUNTRACED)[1])

    def go_on(self) -> None:
        os.kill(self.child, signal.SIGCONT)

    def wait(self) -> Ended:
        """Wait for its end."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])
        return Ended(
            code=128 - code if code < 0 else code,
            changes=tuple(self.log.read_text().splitlines()),
            output=self.told.read_text(errors="replace"),
        )


def run(command: Command, root: Path, scratch: Path, at: int = -1, how: str = "kill") -> Ended:
    """Run a command to its end, or to change number `at` below `root`."""
    return start(command, root, scratch, at, how).wait()


def start(command: Command, root: Path, scratch: Path, at: int = -1, how: str = "kill") -> Running:
    """Begin with a command; with `stop` it stands still at change number `at`."""
    running = Running(child=_fork(), told=scratch / "told", log=scratch / "changes")
    if running.child:
        return running
    code = 70
    try:
        signal.alarm(PATIENCE_S)
        _redirect(running.told)
        _in_this_process()
        _Trap(root, running.log, at, how).set()
        code = command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _fork() -> int:
    if threading.active_count() > 1:  # a lock that another one holds is never free in the fork
        raise RuntimeError(
            "a process with other threads cannot be forked safely: run the row by "
            "`python -m benchmarks.lab.chaos --only ROW`"
        )
    sys.stdout.flush()
    sys.stderr.flush()
    return os.fork()


class _Trap:
    """Counts changes; springs at one of them."""

    def __init__(self, root: Path, log: Path, at: int, how: str) -> None:
        self.root, self.at, self.how = str(root), at, how
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self.seen, self.off = 0, False

    def set(self) -> None:
        real = os.fsync

        def fsync(file: int) -> None:
            self.change("fsync", str(Path(f"/proc/self/fd/{file}").readlink()))
            real(file)

        os.fsync = fsync
        sys.addaudithook(self.hear)

    def hear(self, event: str, given: tuple[Any, ...]) -> None:
        if self.off:
            return
        if event in _NAMES or (event == "open" and _writes(given)):
            name = given[0]
            if isinstance(name, str | bytes | os.PathLike):
                self.change(event, os.fsdecode(name))

    def change(self, event: str, name: str) -> None:
        if self.off or not f"{name}/".startswith(f"{self.root}/"):
            return
        self.seen += 1
        os.write(self.log, f"{event} {name.removeprefix(self.root)}\n".encode())
        if self.seen - 1 != self.at:
            return
        self.off = True
        if self.how == "after":  # the call is made, and the next thing that happens is the end
            sys.setprofile(lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            return
        if self.how == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        if self.how == "tear" and name.endswith(".partial") and Path(name).is_file():
            os.truncate(name, Path(name).stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGSTOP if self.how == "stop" else signal.SIGKILL)


def _writes(given: tuple[Any, ...]) -> bool:
    flags = given[2] if len(given) > 2 and isinstance(given[2], int) else 0
    return bool(flags & _WRITES)


def _redirect(told: Path) -> None:
    file = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.stdout = os.fdopen(os.dup(1), "w")
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)


class _Here:
    """Stands in for a worker process: the task runs in the thread that hands it over."""

    def __init__(self, counter: object = None) -> None:
        """Rows are not counted while it works."""

    def submit(self, work: Callable[..., Any], *given: Any) -> Future[Any]:
        done: Future[Any] = Future()
        if work is os._exit:
            done.set_result(None)
            return done
        try:
            done.set_result(work(*given))
        except Exception as problem:
            done.set_exception(problem)
        return done

    def shutdown(self) -> None:
        """Nothing to end."""


def _in_this_process() -> None:
    from emo8.engine import local

    local.__dict__["_hire"] = _Here
