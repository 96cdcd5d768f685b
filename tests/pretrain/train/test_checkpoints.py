"""Checkpoints: whole whenever the writer dies, refused by name when damaged or foreign."""

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pretrain import step as measuring
from pretrain.config import recipes
from pretrain.train import checkpoints, step
from pretrain.train.metrics import MetricsLog, read_metrics
from pretrain.train.parallelize import World
from pretrain.train.step import TrainState
from pretrain.weights import encoder
from tests.pretrain.train.test_step import FixedTeacher

WORLD = World(rank=0, size=1, device=torch.device("cpu"))


class Died(BaseException):
    """Stands in for kill -9: nothing catches it."""


def made(seed: int = 0, ema: float = 0.0) -> TrainState:
    recipe = dataclasses.replace(recipes.cpu_smoke(), seed=seed)
    recipe = dataclasses.replace(recipe, optim=dataclasses.replace(recipe.optim, ema=ema))
    teacher = FixedTeacher()
    return step.make_state(recipe, WORLD, teacher, teacher.text_features([""] * 8))


def saved(
    run: Path, number: int, state: TrainState, *, loss: float | None = None, keep: int = 2
) -> None:
    score = None if loss is None else checkpoints.Score(name="loss", value=loss)
    found = checkpoints.snapshot(state, step=number, run_id="mine", score=score)
    assert found is not None
    checkpoints.write(run, found, keep=keep)


def step_of(folder: Path) -> int:
    found: int = json.loads((folder / encoder.STATE).read_text())["step"]
    return found


def test_write__rotates_and_keeps_the_best(tmp_path: Path) -> None:
    state = made()
    for number, loss in ((2, 3.0), (4, 1.0), (6, 2.0), (8, 1.5)):
        saved(tmp_path, number, state, loss=loss, keep=3)
    assert step_of(tmp_path / "last") == 8
    assert [step_of(folder) for folder in encoder.older(tmp_path)] == [6, 4]
    assert step_of(tmp_path / "best") == 4
    assert checkpoints.damage(tmp_path / "best") is None
    assert {p.name for p in tmp_path.iterdir()} == {"last", "best", "checkpoints"}


def test_resume__keeps_the_best_that_a_kill_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = made()
    saved(tmp_path, 2, state, loss=3.0)

    def dies(*folders: Path) -> None:
        raise Died

    with monkeypatch.context() as patched, pytest.raises(Died):
        patched.setattr(checkpoints, "_make_best", dies)
        saved(tmp_path, 4, state, loss=1.0)
    assert step_of(tmp_path / "best") == 2
    assert checkpoints.resume(tmp_path, state, run_id="mine") is not None
    assert step_of(tmp_path / "best") == 4


def test_write__a_checkpoint_that_is_removed_is_never_half_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = made()
    for number in (2, 4):
        saved(tmp_path, number, state)
    seen: list[str] = []
    kept = shutil.rmtree

    def watched(path: Path, **options: Any) -> None:
        seen.append(Path(path).name)
        kept(path, **options)

    monkeypatch.setattr(shutil, "rmtree", watched)
    saved(tmp_path, 6, state)
    assert [step_of(folder) for folder in encoder.older(tmp_path)] == [4]
    assert not [name for name in seen if name.startswith("step-")]


@pytest.mark.parametrize("call", range(12))
def test_write__dying_at_any_call_leaves_a_whole_checkpoint(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, calls = made(), iter(range(1000))

    def dying(kept: Any) -> Any:
        def instead(*arguments: Any, **options: Any) -> Any:
            if next(calls) == call:
                raise Died
            return kept(*arguments, **options)

        return instead

    for number in (2, 4):
        saved(tmp_path, number, state, loss=9.0 - number)
    for module, name in ((os, "replace"), (os, "link"), (shutil, "rmtree"), (Path, "write_text")):
        monkeypatch.setattr(module, name, dying(getattr(module, name)))
    died = False
    try:
        saved(tmp_path, 6, state, loss=1.0)
    except Died:
        died = True
    monkeypatch.undo()
    assert died
    facts = checkpoints.resume(tmp_path, made(seed=1), run_id="mine")
    assert facts is not None and facts["step"] in (4, 6)
    saved(tmp_path, 8, state, loss=0.5)
    assert step_of(tmp_path / "last") == step_of(tmp_path / "best") == 8


def test_resume__gives_back_weights_optimizer_averages_and_random_state(tmp_path: Path) -> None:
    state = made(ema=0.9)
    torch.manual_seed(0)
    batch = measuring.random_batch(state.config, 16)
    for _ in range(3):
        step.train_step(state, [batch], 1e-3)
    saved(tmp_path, 3, state)
    drawn = torch.rand(4)
    other = made(seed=5, ema=0.9)
    facts = checkpoints.resume(tmp_path, other, run_id="mine")
    assert facts is not None and facts["step"] == 3
    assert torch.equal(torch.rand(4), drawn)
    for again in (state, other):
        step.train_step(again, [batch], 1e-3)
    for one, two in zip(state.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(one, two)
    assert state.ema is not None and other.ema is not None
    assert state.ema.updates == other.ema.updates == 4
    for name, average in state.ema.averages.items():
        assert torch.equal(average, other.ema.averages[name]), name
    weights, averages = (
        load_file(tmp_path / "last" / name) for name in (encoder.MODEL, encoder.EMA)
    )
    assert weights.keys() == averages.keys()
    assert not torch.equal(weights["mae.cls_token"], averages["mae.cls_token"])


def test_resume__foreign_checkpoint_is_refused_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = made()
    saved(tmp_path / "mine", 2, state)
    saved(tmp_path / "mine", 4, state)
    found = checkpoints.snapshot(made(seed=7), step=100, run_id="theirs")
    assert found is not None
    checkpoints.write(tmp_path / "theirs", found)
    shutil.rmtree(tmp_path / "mine" / "last")
    shutil.copytree(tmp_path / "theirs" / "last", tmp_path / "mine" / "last")
    facts = checkpoints.resume(tmp_path / "mine", made(), run_id="mine")
    assert facts is not None and facts["step"] == 2
    assert "last belongs to another run (theirs, this one is mine)" in caplog.text
    assert step_of(tmp_path / "mine" / "refused" / "last") == 100


def test_resume__nothing_usable_names_all_and_touches_nothing(tmp_path: Path) -> None:
    saved(tmp_path, 2, made())
    (tmp_path / "last" / encoder.TRAINING).unlink()
    for _ in range(2):  # a second try must not start anew
        with pytest.raises(ValueError, match=r"no usable checkpoint.*last is incomplete"):
            checkpoints.resume(tmp_path, made(), run_id="mine")


def full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk__is_survived_and_told_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state, saver = made(), checkpoints.Saver(tmp_path, keep=2, beside=True)
    saver.save(checkpoints.snapshot(state, step=2, run_id="mine"))
    saver.wait()
    monkeypatch.setattr(checkpoints, "file_sha256", full_disk)
    saver.save(checkpoints.snapshot(state, step=4, run_id="mine"))
    with pytest.raises(OSError, match="step 4 is not saved"):
        saver.finish()
    assert "training goes on" in caplog.text
    monkeypatch.undo()
    assert step_of(tmp_path / "last") == 2 and checkpoints.damage(tmp_path / "last") is None
    saver.save(checkpoints.snapshot(state, step=6, run_id="mine"))
    saver.finish()
    assert step_of(tmp_path / "last") == 6


def test_full_disk__older_checkpoints_make_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, kept = made(), checkpoints.file_sha256
    for number in (2, 4):
        saved(tmp_path, number, state)

    def full_while_two(path: Path) -> str:
        if encoder.older(tmp_path):
            full_disk()
        return kept(path)

    monkeypatch.setattr(checkpoints, "file_sha256", full_while_two)
    saver = checkpoints.Saver(tmp_path, keep=2, beside=False)
    saver.save(checkpoints.snapshot(state, step=6, run_id="mine"))
    saver.finish()
    assert step_of(tmp_path / "last") == 6


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte; skips where none can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a small disk here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_full_disk__for_real(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    state, log = made(), MetricsLog(small_disk / "metrics.jsonl")
    log.write({"step": 1})
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    saver = checkpoints.Saver(small_disk, keep=2, beside=True)
    saver.save(checkpoints.snapshot(state, step=2, run_id="mine"))
    for number in range(2, 200):
        log.write({"step": number, "filler": "x" * 100})
    with pytest.raises(OSError, match="step 2 is not saved"):
        saver.finish()
    assert "its lines wait in memory" in caplog.text
    ballast.unlink()
    log.write({"step": 200})
    assert [line["step"] for line in read_metrics(log.path)] == list(range(1, 201))


@pytest.mark.parametrize(
    ("problem", "full"),
    [
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.EDQUOT, "quota"), True),
        (RuntimeError("while serializing: I/O error: No space left (os error 28)"), True),
        (OSError(errno.EACCES, "not yours"), False),
    ],
)
def test_is_full__knows_disk_and_quota(problem: Exception, full: bool) -> None:
    assert checkpoints.is_full(problem) is full


def test_other_problem__reaches_the_training_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise PermissionError(errno.EACCES, "not yours")

    monkeypatch.setattr(checkpoints, "file_sha256", broken)
    saver = checkpoints.Saver(tmp_path, keep=2, beside=True)
    saver.save(checkpoints.snapshot(made(), step=2, run_id="mine"))
    with pytest.raises(PermissionError):
        saver.wait()
