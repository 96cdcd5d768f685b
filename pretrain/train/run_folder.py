"""RUN/config.json: what a run is, so that no other run goes on in its folder.

What must stay: the method, the data, the teacher, the precision, the rows per step. What may
change from one start to the next: the number of processes, how a step is cut into micro-batches,
everything under `system` but the precision, everything under `log`, and the number of steps.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pretrain.config.resolve import keep_rows_per_step, resolve_steps, rows_per_step
from pretrain.config.settings import PretrainConfig, as_dict, differences
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


def fit_to_run(config: PretrainConfig, out: Path, num_rows: int, world: World) -> PretrainConfig:
    """`config` with the run's rows per step kept, and steps in place of epochs."""
    before = _read(out)
    if before is not None:
        wanted = before["rows_per_step"]
        kept = keep_rows_per_step(config, wanted, world.size)
        if kept is not config:
            logger.info(
                "%d rows per step, as before: %d processes, batch %d, %d micro-batches",
                *(wanted, world.size, kept.data.batch_size, kept.optim.accumulate),
            )
        config = kept
    return resolve_steps(config, num_rows, world.size)


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
        "config": as_dict(config),
        "dataset": {
            "data": data,
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
    before = _read(out)
    if before is not None:
        check_same_run(out, before, facts)
    elif world.is_main and out.exists():
        foreign = [p.name for p in out.iterdir() if p.name != "cache"]
        if foreign:
            raise ValueError(f"--out {out}: holds {foreign[0]!r} and no run; choose another folder")
    parallelize.barrier(world)  # everybody has read what was there
    if world.is_main and before is None:
        write_facts(out, facts)
    identity = json.dumps(_identity(facts), sort_keys=True)
    return RunIdentity(
        run_id=hashlib.sha256(identity.encode()).hexdigest()[:16],
        facts=facts,
        steps_before=before["config"]["steps"] if before else 0,
    )


def write_facts(out: Path, facts: dict[str, Any]) -> None:
    """RUN/config.json, whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "config.json"
    half_written = path.with_suffix(".tmp")
    half_written.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    half_written.replace(path)


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
        config = dataclasses.replace(config, steps=steps, epochs=0.0)
    return config if seed is None else dataclasses.replace(config, seed=seed)


def _read(out: Path) -> dict[str, Any] | None:
    path = out / "config.json"
    if not path.exists():
        return None
    facts: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return facts
