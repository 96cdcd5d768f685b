"""What a run measures at its start is written down, and a resumed run computes the same bits."""

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pretrain.cli import main
from pretrain.config import recipes
from pretrain.train import settle
from pretrain.train.metrics import read_metrics
from tests.pretrain.train.test_loop import assert_same_end
from tests.pretrain.train.test_step import WORLD, FixedTeacher


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The process's number of threads, given back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def measured(monkeypatch: pytest.MonkeyPatch, seconds: dict[tuple[str, int], float]) -> None:
    def taken(config: Any, batches: Any, teacher: Any) -> float:
        return seconds[config.system.precision, config.system.threads]

    monkeypatch.setattr(settle, "step_seconds", taken)
    monkeypatch.setattr(settle, "training_batches", lambda *_, **__: iter([[]]))
    monkeypatch.setattr(settle.torch, "get_num_threads", lambda: 2)


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ((1.0, 0.5, 0.9, 0.3), ("bf16", 2)),
        ((1.0, 0.99, 0.97, 0.96), ("fp32", 1)),  # hardly less: the simpler one
        ((1.0, 3.0, 0.6, 2.0), ("fp32", 2)),
    ],
)
def test_settle__takes_the_fastest_that_is_worth_it(
    monkeypatch: pytest.MonkeyPatch, seconds: tuple[float, ...], chosen: tuple[str, int]
) -> None:
    names = [("fp32", 1), ("bf16", 1), ("fp32", 2), ("bf16", 2)]
    measured(monkeypatch, dict(zip(names, seconds, strict=True)))
    config = settle.with_system(recipes.cpu_smoke(), "auto", 0)
    found = settle.settle(config, None, FixedTeacher(), WORLD).system  # type: ignore[arg-type]
    assert (found.precision, found.threads) == chosen


def test_settle__a_named_precision_is_not_measured() -> None:
    config = recipes.cpu_smoke()
    assert settle.settle(config, None, FixedTeacher(), WORLD) is config  # type: ignore[arg-type]


def test_auto__is_written_down_and_resumed_bit_for_bit(
    tmp_path: Path, smoke_args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "WHOLE", tmp_path / "CUT"
    arguments = [*smoke_args, "--system.precision", "auto", "--steps", "4"]
    assert main([*arguments, "--out", str(whole)]) == 0
    system = json.loads((whole / "config.json").read_text())["config"]["system"]
    assert system["precision"] in settle.PRECISIONS and system["threads"] >= 1
    shutil.copytree(whole, cut)
    shutil.rmtree(cut / "last")
    (cut / "checkpoints" / "step-00000002").rename(cut / "last")
    other = next(p for p in settle.PRECISIONS if p != system["precision"])
    monkeypatch.setattr(settle, "_fastest", lambda *_: (other, 1))  # would choose otherwise now
    torch.set_num_threads(1 if system["threads"] > 1 else 2)
    assert main([*arguments, "--out", str(cut)]) == 0
    assert read_metrics(cut / "metrics.jsonl")[-3] == {"resumed_from": 2}
    assert_same_end(whole, cut)


def test_recipes__of_cpus_measure_and_run_unsettled_in_fp32() -> None:
    for name in ("cpu_demo", "study_ti8"):
        assert recipes.get(name).system.precision == "auto"
    assert dataclasses.replace(recipes.cpu_smoke().system).precision == "fp32"
