"""Saving a run and taking it up again.

    RUN/last/model.safetensors      weights of UniEmoX; its header holds the config, nothing else
    RUN/last/ema.safetensors        the averaged weights, with `optim.ema`
    RUN/last/training.safetensors   optimizer, loss scaler, random state of every process
    RUN/last/state.json             step, run, rows seen, and the SHA-256 of the files above
    RUN/checkpoints/step-00000500   the ones before, `system.keep` in all with the last
    RUN/best                        the best one: by kNN where the run probes, else by mean loss

No pickle anywhere. Shards are put together before they are written, so a run goes on with any
number of processes. A kill at any moment leaves a whole checkpoint.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emo8.core.json_text import parse_json
from emo8.engine.files import sync, sync_tree
from emo8.engine.folders import recover, replace_folder
from pretrain.config.resolve import rows_per_step
from pretrain.config.settings import written
from pretrain.train import parallelize
from pretrain.train.parallelize import World
from pretrain.train.step import TrainState
from pretrain.weights.encoder import (
    EMA,
    HEADER,
    LAST,
    MODEL,
    OLDER,
    STATE,
    TRAINING,
    file_sha256,
    older,
)

logger = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, kw_only=True)
class Score:
    """How good a checkpoint is."""

    name: str  # "loss" or "knn"
    value: float

    def beats(self, other: dict[str, Any] | None) -> bool:
        """True against nothing, another measure, or a worse value."""
        if not other or other["name"] != self.name:
            return True
        return self.value < other["value"] if self.name == "loss" else self.value > other["value"]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A copy of everything that a checkpoint holds, in memory."""

    step: int
    facts: dict[str, Any]  # goes into state.json
    header: str
    files: dict[str, dict[str, Tensor]] = field(repr=False)


def snapshot(
    state: TrainState, *, step: int, run_id: str, score: Score | None = None
) -> Snapshot | None:
    """The run as it is now; None on all processes but the first. All of them must ask."""
    weights = {name: _copy(value) for name, value in state.model.state_dict().items()}
    files = {MODEL: weights, TRAINING: _training_tensors(state)}
    if state.ema is not None:
        averages = {name: _copy(value) for name, value in state.ema.averages.items()}
        files[EMA] = {**weights, **averages}
    if not state.world.is_main:
        return None
    facts = {
        "step": step,
        "run": run_id,
        "processes": state.world.size,
        "ema_updates": state.ema.updates if state.ema else 0,
        "score": None if score is None else {"name": score.name, "value": score.value},
        # the loader's position: what comes next follows from these and the seed
        "rows_seen": step * rows_per_step(state.config, state.world.size),
    }
    header = json.dumps(written(state.config), sort_keys=True)
    return Snapshot(step=step, facts=facts, header=header, files=files)


def _copy(value: Tensor) -> Tensor:
    return parallelize.full_tensor(value.detach()).to("cpu", copy=True).contiguous()


def _training_tensors(state: TrainState) -> dict[str, Tensor]:
    """Optimizer state by weight name, loss scaler, random state of every process."""
    tensors: dict[str, Tensor] = {}
    randoms = {"cpu": torch.get_rng_state()}
    if state.world.device.type == "cuda":
        randoms["cuda"] = torch.cuda.get_rng_state()
    for rank, found in enumerate(parallelize.gather_objects(randoms, state.world)):
        tensors |= {f"rng/{kind}/{rank}": value for kind, value in found.items()}
    for name, parameter in state.model.named_parameters():
        for key, value in state.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{key}/{name}"] = _copy(value)
    if state.scaler is not None:
        for key in ("scale", "growth_tracker"):
            value = torch.tensor(state.scaler.state_dict()[key], dtype=torch.float64)
            tensors[f"scaler/{key}/"] = value
    return tensors


def write(run: Path, saved: Snapshot, *, keep: int = 2) -> None:
    """Makes RUN/last this snapshot, and RUN/best too where its score is the best so far.

    Everything is written elsewhere first, reaches the disk, and appears by renaming.
    """
    from safetensors.torch import save_file

    fresh, last = run / ".saving", run / LAST
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, tensors in saved.files.items():
        save_file(tensors, fresh / name, None if name == TRAINING else {HEADER: saved.header})
        (fresh / name).chmod(0o644)  # safetensors writes files that only their owner can read
    digests = {name: file_sha256(fresh / name) for name in saved.files}
    facts = {**saved.facts, "sha256": digests}
    (fresh / STATE).write_text(json.dumps(facts, indent=1), "utf-8")
    sync_tree(fresh)
    if last.exists():
        before = _read_facts(last) or {}
        place = run / OLDER / f"step-{before.get('step', 0):08d}"
        place.parent.mkdir(exist_ok=True)
        _discard(run, place)
        os.replace(last, place)
    os.replace(fresh, last)
    sync(run)
    _keep_best(run, *reversed(older(run)), last)  # a full disk may have kept one before from it
    for folder in older(run)[max(0, keep - 1) :]:
        _discard(run, folder)


def _discard(run: Path, folder: Path) -> None:
    """Remove a checkpoint: under its name it is whole or gone, whatever happens meanwhile."""
    gone = run / ".gone"
    shutil.rmtree(gone, ignore_errors=True)
    if folder.exists():
        os.replace(folder, gone)
        shutil.rmtree(gone, ignore_errors=True)


def _keep_best(run: Path, *folders: Path) -> None:
    """RUN/best becomes the best of these and itself; its files are links, not copies."""
    recover(run / "best")
    for folder in folders:
        found = (_read_facts(folder) or {}).get("score")
        known = (_read_facts(run / "best") or {}).get("score")
        if found is not None and Score(**found).beats(known):
            _make_best(run, folder)


def _make_best(run: Path, folder: Path) -> None:
    best, fresh = run / "best", run / ".best"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for path in folder.iterdir():
        try:
            os.link(path, fresh / path.name)
        except OSError:  # a file system without links
            shutil.copy2(path, fresh / path.name)
    replace_folder(fresh, best)


class Saver:
    """Writes snapshots beside training; a full disk is told and survived."""

    def __init__(self, run: Path, *, keep: int, beside: bool) -> None:
        self.run, self.keep, self.beside = run, keep, beside
        self._thread: threading.Thread | None = None
        self._problem: Exception | None = None
        self._unsaved: str = ""

    def save(self, saved: Snapshot | None) -> None:
        """Starts writing, after the one before is written; None is nothing to write."""
        self.wait()
        if saved is None:
            return
        self._thread = threading.Thread(target=self._write, args=(saved,), daemon=False)
        self._thread.start()
        if not self.beside:
            self.wait()

    def wait(self) -> None:
        """Returns when nothing is being written; raises what went wrong, a full disk excepted."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._problem is not None:
            problem, self._problem = self._problem, None
            raise problem

    def finish(self) -> None:
        """The last `wait`: OSError where the newest state could not be saved."""
        self.wait()
        if self._unsaved:
            raise OSError(f"{self._unsaved}; free some space and give the same command again")

    def _write(self, saved: Snapshot) -> None:
        try:
            try:
                write(self.run, saved, keep=self.keep)
            except Exception as problem:
                if not is_full(problem) or not older(self.run):
                    raise
                logger.warning("disk full: older checkpoints make room for step %d", saved.step)
                for folder in older(self.run):
                    _discard(self.run, folder)
                write(self.run, saved, keep=self.keep)
            self._unsaved = ""
        except Exception as problem:  # handed to the training thread
            shutil.rmtree(self.run / ".saving", ignore_errors=True)
            if not is_full(problem):
                self._problem = problem
                return
            self._unsaved = f"no space left in {self.run}: step {saved.step} is not saved"
            logger.warning("%s; training goes on, the checkpoint before is kept", self._unsaved)


def is_full(problem: BaseException) -> bool:
    """True for a full disk or quota, also as safetensors tells it."""
    if isinstance(problem, OSError):
        return problem.errno in FULL
    return any(f"(os error {code})" in str(problem) for code in FULL)


# Taking it up again ------------------------------------------------------------------------------


def resume(run: Path, state: TrainState, *, run_id: str) -> dict[str, Any] | None:
    """Facts of the checkpoint that model, optimizer and the rest now are; None without one.

    A damaged or foreign checkpoint is refused by name, put aside, and the one before it is used;
    ValueError when none is left. The first process decides, so that all use the same.
    """
    choice = _choose(run, run_id) if state.world.is_main else None
    folder, problem = parallelize.gather_objects(choice, state.world)[0] or (None, None)
    if problem:
        raise ValueError(problem)
    if folder is None:
        return None
    facts = _read_facts(folder)
    assert facts is not None  # just looked at
    _restore(folder, state, facts)
    return facts


def _choose(run: Path, run_id: str) -> tuple[Path | None, str | None]:
    """The newest usable checkpoint, or what is wrong with all of them."""
    problems: dict[Path, str] = {}
    for folder in (run / LAST, *older(run), run / "best"):
        if not folder.exists():
            continue
        problem = damage(folder, run_id)
        if problem is None:
            for refused in problems:
                _put_aside(run, refused)
            _keep_best(run, folder)  # a kill may have come between
            return folder, None
        logger.warning("checkpoint refused: %s", problem)
        problems[folder] = problem
    if problems:
        told = "; ".join(problems.values())
        return None, f"no usable checkpoint in {run}: {told}. To start anew, choose another --out"
    return None, None


def _put_aside(run: Path, folder: Path) -> None:
    """RUN/refused keeps it, so that it is neither used again nor lost."""
    aside = run / "refused" / folder.name
    shutil.rmtree(aside, ignore_errors=True)
    aside.parent.mkdir(exist_ok=True)
    os.replace(folder, aside)


def damage(folder: Path, run_id: str | None = None) -> str | None:
    """What is wrong with a checkpoint folder; None when it is this run's, as it was written."""
    try:
        facts = parse_json((folder / STATE).read_text("utf-8"))
        for name, wanted in facts["sha256"].items():
            if file_sha256(folder / name) != wanted:
                return f"{folder / name} is not the file that was saved (SHA-256 differs)"
        if run_id is not None and facts["run"] != run_id:
            return f"{folder} belongs to another run ({facts['run']}, this one is {run_id})"
    except (OSError, ValueError, KeyError, AttributeError) as problem:
        return f"{folder} is incomplete ({problem})"
    return None


def _read_facts(folder: Path) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = parse_json((folder / STATE).read_text("utf-8"))
        return facts
    except (OSError, ValueError):
        return None


def _restore(folder: Path, state: TrainState, facts: dict[str, Any]) -> None:
    from safetensors.torch import load_file

    weights = load_file(folder / MODEL)
    parallelize.fill(state.model, weights)
    if state.ema is not None:
        averages = load_file(folder / EMA) if (folder / EMA).exists() else weights
        for name, average in state.ema.averages.items():
            parallelize.copy_into(averages[name], average)
        state.ema.updates = facts["ema_updates"]
    tensors = load_file(folder / TRAINING)
    _restore_optimizer(tensors, state)
    if state.scaler is not None and "scaler/scale/" in tensors:
        found = {key: tensors[f"scaler/{key}/"].item() for key in ("scale", "growth_tracker")}
        state.scaler.load_state_dict({**state.scaler.state_dict(), **found})
    _restore_random(tensors, state.world)


def _restore_optimizer(tensors: dict[str, Tensor], state: TrainState) -> None:
    parameters = dict(state.model.named_parameters())
    for path, value in tensors.items():
        kind, key, name = (path + "//").split("/")[:3]
        if kind != "optimizer":
            continue
        parameter = parameters[name]
        slot = value.to(parameter.device)
        if value.shape == parameter.shape:
            slot = torch.zeros_like(parameter)
            parallelize.copy_into(value, slot)
        state.optimizer.state[parameter][key] = slot


def _restore_random(tensors: dict[str, Tensor], world: World) -> None:
    """Of a process that was not there before nothing is known: it keeps its fresh state."""
    if (own := f"rng/cpu/{world.rank}") in tensors:
        torch.set_rng_state(tensors[own])
    if (own := f"rng/cuda/{world.rank}") in tensors and world.device.type == "cuda":
        torch.cuda.set_rng_state(tensors[own])
