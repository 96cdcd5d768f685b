"""How hard a host is leaned on: connections at once, time between requests, rest when it asks.

The state of a host lies in small locked files, so that it holds across the worker processes of one
fetch, wherever the engine put them, as long as they see the same folder. A worker that dies lets
go of its locks.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from emo8.web.outcome import failed

_STATE = struct.Struct("<dddiii")
_CLOCK_SLACK_S = 1.0  # by which clocks of several machines may differ
_POLL_S = 0.01  # while another process holds all turns of a host
FIRST_REST_S = 1.0  # after a 429 or 503 without Retry-After; doubled each time in a row


@dataclass
class _Host:
    """What all workers know of a host."""

    next_start: float = 0.0  # no request may begin before this; seconds since the epoch
    rest_until: float = 0.0  # it answered 429 or 503
    written: float = 0.0  # when this was noted
    rests: int = 0  # in a row
    unreached: int = 0  # links in a row that never got an answer
    stalled: int = 0  # links in a row whose answer began and did not end in time


class Pacing:
    """Turns at hosts; one per process, used by many threads."""

    def __init__(
        self,
        folder: Path,
        *,
        connections: int,
        delay_s: float,
        max_rest_s: float,
        give_up_after: int,
    ) -> None:
        self.folder = folder
        self.connections, self.delay_s = connections, delay_s
        self.max_rest_s, self.give_up_after = max_rest_s, give_up_after
        self.lock = threading.Lock()
        self.gates: dict[str, threading.BoundedSemaphore] = {}
        self.troubled: set[str] = set()  # hosts that this process saw resting or unreached
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def turn(self, host: str, delay_s: float = 0.0) -> Iterator[None]:
        """Hold one of the host's connections; LostError when it is down or rests for too long."""
        with self._gate(host), self._slot(host):
            self._wait(host, max(self.delay_s, delay_s))
            yield

    def throttled(self, host: str, retry_after_s: float | None) -> float:
        """Let the host rest; the seconds it was given come back."""
        with self._state(host) as state:
            own = FIRST_REST_S * 2 ** min(state.rests, 10)
            rest_s = own if retry_after_s is None else retry_after_s
            state.rests += 1
            state.rest_until = max(state.rest_until, time.time() + rest_s)
        return rest_s

    def answered(self, host: str) -> None:
        """The host answers: forget what it did before."""
        if host in self.troubled:
            with self._state(host) as state:
                state.rests = state.unreached = 0
            self.troubled.discard(host)

    def unreached(self, host: str) -> None:
        """The host gave no answer at all."""
        with self._state(host) as state:
            state.unreached += 1

    def stalled(self, host: str) -> None:
        """The host began to answer and let the time run out: it drips, or fell silent."""
        with self._state(host) as state:
            state.stalled += 1

    def delivered(self, host: str) -> None:
        """A whole answer came from the host."""
        if host in self.troubled:
            with self._state(host) as state:
                state.stalled = 0

    def _wait(self, host: str, delay_s: float) -> None:
        """Sleep until a request to the host may begin, and take that moment."""
        while True:
            with self._state(host) as state:
                now = time.time()
                if state.rests or state.unreached or state.stalled:
                    self.troubled.add(host)
                if state.unreached >= self.give_up_after:
                    raise failed("host_down", state.unreached)
                if state.stalled >= self.give_up_after:
                    raise failed("host_stalls", state.stalled)
                if state.rest_until - now > self.max_rest_s:
                    raise failed("host_throttles", round(state.rest_until - now))
                start = max(now, state.next_start, state.rest_until)
                if state.rest_until <= now:
                    state.next_start = start + delay_s
            if start > now:
                time.sleep(start - now)
            if state.rest_until <= now:
                return

    def _gate(self, host: str) -> threading.BoundedSemaphore:
        with self.lock:
            if host not in self.gates:
                self.gates[host] = threading.BoundedSemaphore(self.connections)
            return self.gates[host]

    def _path(self, host: str) -> Path:
        return self.folder / hashlib.sha256(host.encode()).hexdigest()[:24]

    @contextmanager
    def _slot(self, host: str) -> Iterator[None]:
        """Hold one of the host's lock files, whichever is free first."""
        base = self._path(host)
        while True:
            for number in range(self.connections):
                file = os.open(f"{base}.{number}", os.O_CREAT | os.O_RDWR)
                if _locked(file):
                    try:
                        yield
                    finally:
                        os.close(file)
                    return
                os.close(file)
            time.sleep(_POLL_S)

    @contextmanager
    def _state(self, host: str) -> Iterator[_Host]:
        """The host's state, alone; written back when it changed."""
        file = os.open(self._path(host), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            data = os.pread(file, _STATE.size, 0)
            state = _Host(*_STATE.unpack(data)) if len(data) == _STATE.size else _Host()
            _follow_clock(state)
            before = astuple(state)
            yield state
            if astuple(state) != before:
                state.written = time.time()
                os.pwrite(file, _STATE.pack(*astuple(state)), 0)
        finally:
            os.close(file)


def _follow_clock(state: _Host) -> None:
    """Move what was noted along with a clock that was set back: nobody waits until it has been."""
    back_s = state.written - time.time()
    if back_s > _CLOCK_SLACK_S:
        state.next_start -= back_s
        state.rest_until -= back_s
        state.written -= back_s


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
