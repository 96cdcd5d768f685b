"""RUN/config.json: what a run is, so that no other run goes on in its folder.

What must stay: the method, the data, the teacher, the precision, the rows per step. What may
change from one start to the next: the number of processes, how a step is cut into micro-batches,
everything under `system` but the precision, everything under `log`, and the number of steps.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from emo8.core.json_text import parse_json
from emo8.engine.derived import note as note_derived
from emo8.engine.files import is_partial, write_text
from pretrain.config import recipes
from pretrain.config.resolve import keep_rows_per_step, resolve_steps, rows_per_step
from pretrain.config.settings import (
    PretrainConfig,
    SystemConfig,
    differences,
    from_dict,
    without_folder,
    written,
)
from pretrain.data.dataset import Source, fingerprint
from pretrain.data.streaming import StreamSource
from pretrain.teacher import Teacher, describe
from pretrain.train import parallelize
from pretrain.train.metrics import MetricsLog
from pretrain.train.parallelize import World

logger = logging.getLogger(__name__)

PACKAGES = ("emo8", "torch", "timm", "numpy", "safetensors", "open_clip_torch", "datasets")
# How the data are held and handed out, not which they are
LOADING = ("batch_size", "num_workers", "in_memory")
CACHE, LOCK, OWNER = "cache", ".lock", ".lock-owner"  # what lies in a RUN besides its results


def fit_to_run(config: PretrainConfig, out: Path, num_rows: int, world: World) -> PretrainConfig:
    """`config` with the run's rows per step kept, and steps in place of epochs."""
    before = read_facts(out)
    if before is not None:
        wanted = before["rows_per_step"]
        kept = keep_rows_per_step(config, wanted, world.size)
        if kept is not config:
            logger.info(
                "%d rows per step, as before: %d processes, batch %d, %d micro-batches",
                *(wanted, world.size, kept.data.batch_size, kept.optim.accumulate),
            )
        config = _as_measured(kept, from_dict(before["config"]).system)
    return resolve_steps(config, num_rows, world.size)


def _as_measured(config: PretrainConfig, before: SystemConfig) -> PretrainConfig:
    """`config` with the precision and threads that the run chose when it began, where left open."""
    system = config.system
    if system.precision == "auto":
        system = dataclasses.replace(system, precision=before.precision)
    if system.threads == 0:
        system = dataclasses.replace(system, threads=before.threads)
    return dataclasses.replace(config, system=system)


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """A run folder that is this run's."""

    run_id: str
    facts: dict[str, Any]
    steps_before: int  # that the run was to have when it was started last; 0 for a new one


def claim_run(
    out: Path,
    config: PretrainConfig,
    source: Source | StreamSource,
    teacher: Teacher,
    data: str,
    world: World,
) -> RunIdentity:
    """Writes RUN/config.json, or checks that the one there is of this very run."""
    facts = {
        "config": written(config),  # names no folder of this machine
        "dataset": {
            "data": without_folder(data),
            "fingerprint": fingerprint(source),
            "rows": len(source.ids),
            "skipped": list(source.skipped),
        },
        "teacher": describe(teacher),
        "licenses": {"init": config.init.license or None, "teacher": describe(teacher)["license"]},
        "packages": installed_versions(),
        "processes": world.size,
        "rows_per_step": rows_per_step(config, world.size),
    }
    before = read_facts(out)
    if before is None:
        facts["run"] = _hash(_identity(facts))
    else:
        check_same_run(out, before, facts)
        facts["run"] = before["run"]
    parallelize.barrier(world)  # everybody has read what was there
    if world.is_main and before is None:
        write_facts(out, facts)
        note_derived("run", out, data)
    return RunIdentity(
        run_id=facts["run"], facts=facts, steps_before=before["config"]["steps"] if before else 0
    )


def _hash(identity: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


@contextlib.contextmanager
def held(out: Path, world: World) -> Iterator[None]:
    """Within it this process alone writes to RUN; the lock dies with the process.

    ValueError where another process holds it, or where the folder holds something else. A folder
    that is refused, then or later, is left as it was found.
    """
    if not world.is_main:
        yield
        return
    if out.exists() and read_facts(out) is None:
        ours = (CACHE, LOCK, OWNER)  # and what a kill left of the first file
        foreign = [p.name for p in out.iterdir() if p.name not in ours and not is_partial(p)]
        if foreign:
            raise ValueError(f"--out {out}: holds {foreign[0]!r} and no run; choose another folder")
    before = _state(out)
    out.mkdir(parents=True, exist_ok=True)
    lock, owner = FileLock(out / LOCK), out / OWNER
    try:
        lock.acquire(timeout=0)
    except Timeout:
        holder = owner.read_text("utf-8") if owner.exists() else "another process"
        raise ValueError(
            f"--out {out} is in use: {holder} trains it; wait for it, stop it, or choose another "
            "folder"
        ) from None
    try:
        owner.write_text(f"process {os.getpid()} on {socket.gethostname()}", "utf-8")
        yield
        owner.unlink(missing_ok=True)
    except ValueError:
        _forget_refused(out, before)
        raise
    finally:
        lock.release()


@dataclass(frozen=True, kw_only=True)
class _State:
    """What a folder holds of a run before this process touches it."""

    config: bytes | None  # config.json
    files: frozenset[Path] | None  # of the folder and of its cache; None: there is no folder


def _state(out: Path) -> _State:
    config = out / "config.json"
    files = frozenset([*out.iterdir(), *(out / CACHE).rglob("*")]) if out.exists() else None
    return _State(config=config.read_bytes() if config.exists() else None, files=files)


def _forget_refused(out: Path, before: _State) -> None:
    """Remove what was written into a folder that is not this run's, unless a run began in it."""
    now = _state(out)
    if now.config != before.config:
        return
    ours = {out / name for name in (LOCK, OWNER, CACHE)} | set((out / CACHE).rglob("*"))
    for path in sorted(ours - (before.files or frozenset()), reverse=True):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    if before.files is None:
        out.rmdir()


def write_facts(out: Path, facts: dict[str, Any]) -> None:
    """RUN/config.json, whole or not at all."""
    write_text(out / "config.json", json.dumps(facts, indent=1) + "\n")


def check_same_run(out: Path, before: dict[str, Any], facts: dict[str, Any]) -> None:
    """ValueError that lists what differs when the run in `out` is another one."""
    found = differences(_identity(before), _identity(facts))
    if found:
        raise ValueError(
            f"--out {out} holds another run ({'; '.join(found)}); "
            "choose another folder or give that run's settings"
        )


def _identity(facts: dict[str, Any]) -> dict[str, Any]:
    """What must not change within a run."""
    settings = {
        name: dict(value) if isinstance(value, dict) else value
        for name, value in facts["config"].items()
        if name not in ("system", "log", "steps", "epochs")
    }
    settings["data"] = {k: v for k, v in settings["data"].items() if k not in LOADING}
    settings["optim"].pop("accumulate", None)
    further = settings["loss"].get("further")
    if further is not None:  # a loss of weight 0 is none
        settings["loss"] = {**settings["loss"], "further": {k: w for k, w in further.items() if w}}
    settings["system.precision"] = facts["config"]["system"]["precision"]
    return {
        "config": settings,
        "dataset": facts["dataset"]["fingerprint"],
        "teacher": facts["teacher"]["sha256"],
        "rows_per_step": facts["rows_per_step"],
    }


def start_log(out: Path, claim: RunIdentity, done: int, world: World) -> MetricsLog:
    """RUN/metrics.jsonl, rewound to the checkpoint when a run resumes; steps after it are redone.

    A run that is made longer or shorter says so in its line of the resume.
    """
    log = MetricsLog(out / "metrics.jsonl")
    if not world.is_main:
        return log
    write_facts(out, claim.facts)
    if log.path.exists():
        steps = claim.facts["config"]["steps"]
        changed = {"steps": steps} if steps != claim.steps_before else {}
        log.rewind(done)
        log.write({"resumed_from": done, **changed})
        logger.info("resumed from step %d of %d", done, steps)
    return log


def installed_versions() -> dict[str, str]:
    """{package: version} of those that shape a run and are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def with_run_options(
    config: PretrainConfig, *, steps: int | None, seed: int | None
) -> PretrainConfig:
    """`config` with `--steps` and `--seed` applied where given."""
    if steps is not None:
        if not steps > 0:
            raise ValueError(f"--steps {steps}: at least 1")
        config = dataclasses.replace(config, steps=steps, epochs=0.0)
    return config if seed is None else dataclasses.replace(config, seed=seed)


def losses_of(out: Path) -> dict[str, float] | None:
    """Weights of the added losses that the run in `out` began with; None where none has begun."""
    before = read_facts(out)
    return None if before is None else before["config"]["loss"]["further"]


def read_facts(out: Path) -> dict[str, Any] | None:
    """RUN/config.json as today's code would have written it; None where there is none.

    Settings added to the code since then have their defaults, which is what the run did; a recipe
    has its present name. ValueError names a damaged file.
    """
    path = out / "config.json"
    if not path.exists():
        return None
    try:
        facts: dict[str, Any] = parse_json(path.read_text("utf-8"))
        run = facts.get("run") or _hash(_identity(facts))  # runs of before 1.0 do not say it
        config = from_dict(facts["config"])
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ValueError(
            f"{path} is damaged ({type(problem).__name__}: {problem}); put back a whole copy, or "
            "choose another --out. The weights in last/ can still be read."
        ) from problem
    name = recipes.RENAMED.get(config.recipe, config.recipe)
    return {**facts, "run": run, "config": written(dataclasses.replace(config, recipe=name))}
