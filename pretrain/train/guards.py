"""What keeps a long run safe: stop requests, steps that must not count, spikes, stuck processes."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import math
import signal
import statistics
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from pretrain.config.settings import SystemConfig
from pretrain.train.metrics import read_metrics

logger = logging.getLogger(__name__)

USUAL_STEPS = 100  # what "usual" means for a loss
FEWEST_STEPS = 20  # no spike is reported before
MAD_TO_SIGMA = 1.4826  # median absolute deviation to standard deviation, normal noise
SMALLEST_SCALE = 1.0  # of fp16: below, gradients are NaN rather than too large


class StopRequest:
    """Whether somebody asked the run to stop, by SIGTERM or Ctrl-C; the step at work is finished.

    A second Ctrl-C stops at once.
    """

    def __init__(self) -> None:
        self.name = ""

    @contextlib.contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Signals are caught within; elsewhere, and outside the main thread, they do as before."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {s: signal.signal(s, self._asked) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.name and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name


class Watchdog:
    """Ends a process that finishes no step for `timeout_s`, with the stack of every thread.

    It is a thread of the interpreter that needs no lock, so a stuck loader, collective or kernel
    cannot hold it up.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s, self._started = timeout_s, False

    def alive(self) -> None:
        """Starts waiting anew; the first wait is ten times as long."""
        if self._timeout_s:
            patience = self._timeout_s * (1 if self._started else 10)
            faulthandler.dump_traceback_later(patience, exit=True, file=sys.__stderr__)
            self._started = True

    def rest(self) -> None:
        """Stops watching."""
        if self._timeout_s:
            faulthandler.cancel_dump_traceback_later()


class FiniteGuard:
    """Lets a step count only if its loss and gradients are finite numbers.

    All processes see the same means, so they all skip or all go on. The rows are written to
    RUN/nonfinite.jsonl.
    """

    def __init__(self, run: Path, system: SystemConfig) -> None:
        self._path, self._system, self._in_a_row = run / "nonfinite.jsonl", system, 0

    def accepts(self, found: dict[str, float], loss_scale: float | None) -> bool:
        """False where the step must be skipped; an fp16 overflow is the loss scaler's business."""
        finite = math.isfinite(found["total"])
        if loss_scale is None or loss_scale < SMALLEST_SCALE:
            finite = finite and math.isfinite(found["grad_norm"])
        self._in_a_row = 0 if finite else self._in_a_row + 1
        return finite

    def report(self, line: dict[str, Any], ids: Sequence[str]) -> None:
        """Writes the rows of a skipped step down."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "ids": list(ids)}) + "\n")
        logger.warning(
            "step %d skipped: a loss or gradient is not finite (%s); its rows are in %s",
            line["step"],
            line["losses"],
            self._path,
        )

    def check(self, step: int) -> None:
        """ValueError after too many skipped steps in a row."""
        if self._in_a_row > self._system.max_nonfinite:
            raise ValueError(
                f"step {step}: loss or gradient not finite, {self._in_a_row} steps in a row; rows "
                f"in {self._path}. Lower --optim.lr or use --system.precision fp32; the weights "
                "of before are kept."
            )


class SpikeWatch:
    """Reports a loss far above the usual, with its rows, in RUN/spikes.jsonl."""

    def __init__(self, run: Path, system: SystemConfig) -> None:
        self._path, self._factor = run / "spikes.jsonl", system.spike_factor
        steps = read_metrics(run / "metrics.jsonl")
        losses = [line["loss"] for line in steps if line.get("loss") is not None]
        self._usual: deque[float] = deque(losses, maxlen=USUAL_STEPS)

    def look(self, step: int, loss: float, ids: Sequence[str]) -> bool:
        """True where this loss is a spike."""
        spike = False
        if self._factor and len(self._usual) >= FEWEST_STEPS:
            middle = statistics.median(self._usual)
            spread = statistics.median(abs(value - middle) for value in self._usual)
            spike = loss > middle + self._factor * max(MAD_TO_SIGMA * spread, 1e-3 * abs(middle))
        if spike:
            line = {"step": step, "loss": loss, "usual": round(middle, 6), "ids": list(ids)}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            logger.warning(
                "step %d: loss %.3f, usually %.3f; rows in %s", step, loss, middle, self._path
            )
        self._usual.append(loss)
        return spike
