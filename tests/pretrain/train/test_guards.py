"""Stops, skips, spikes and stuck processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pretrain.config.settings import SystemConfig
from pretrain.train.guards import FEWEST_STEPS, FiniteGuard, SpikeWatch, StopRequest

ROOT = Path(__file__).parents[3]
NAN = float("nan")
STUCK = """
import time
from pretrain.train.guards import Watchdog
watchdog = Watchdog(0.2)
watchdog.alive()
watchdog.alive()
def waits_for_nothing():
    time.sleep(60)
waits_for_nothing()
"""


def test_stop_request__remembers_the_signal_and_gives_handlers_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    stop = StopRequest()
    with stop.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.name == "SIGTERM"
    assert signal.getsignal(signal.SIGTERM) is before


def test_stop_request__second_ctrl_c_stops_at_once() -> None:
    stop = StopRequest()
    with stop.listening(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.name == "SIGINT"
        os.kill(os.getpid(), signal.SIGINT)


def test_watchdog__ends_a_stuck_process_and_says_where() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUCK], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "Timeout" in done.stderr and "waits_for_nothing" in done.stderr


def test_finite_guard__skips_then_stops(tmp_path: Path) -> None:
    guard = FiniteGuard(tmp_path, SystemConfig(max_nonfinite=2))
    bad, good = {"total": NAN, "grad_norm": 1.0}, {"total": 1.0, "grad_norm": 1.0}
    assert [guard.accepts(found, None) for found in (bad, bad, good, bad, bad)] == [
        *(False, False, True, False, False)
    ]
    guard.check(5)
    assert not guard.accepts(bad, None)
    with pytest.raises(ValueError, match="3 steps in a row"):
        guard.check(6)


def test_finite_guard__fp16_overflow_is_left_to_the_loss_scaler(tmp_path: Path) -> None:
    guard = FiniteGuard(tmp_path, SystemConfig())
    overflow = {"total": 1.0, "grad_norm": float("inf")}
    assert not guard.accepts(overflow, None)
    assert guard.accepts(overflow, 65536.0)
    assert not guard.accepts(overflow, 0.5)  # too small to be an overflow


def test_spike__is_reported_with_its_rows(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    lines = [{"step": k, "loss": 2.0 + 0.01 * (k % 3)} for k in range(1, FEWEST_STEPS)]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    watch = SpikeWatch(tmp_path, SystemConfig(spike_factor=10.0))
    assert not watch.look(FEWEST_STEPS, 9.0, ["early"])  # too few steps to know
    assert not watch.look(21, 2.02, ["usual"])
    assert watch.look(22, 3.0, ["a", "b"])
    found = [json.loads(line) for line in (tmp_path / "spikes.jsonl").read_text().splitlines()]
    assert [(line["step"], line["ids"]) for line in found] == [(22, ["a", "b"])]


def test_spike__off_with_factor_zero(tmp_path: Path) -> None:
    watch = SpikeWatch(tmp_path, SystemConfig(spike_factor=0.0))
    assert not any(watch.look(k, 1.0 if k < 50 else 1e6, []) for k in range(60))
