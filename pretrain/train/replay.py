"""A step that was not finite, kept whole and computed again: `uniemox replay RUN`.

RUN/replay/step-N.safetensors has what made it: the weights before the step, its micro-batches with
masks, texts and the teacher's features, and the random state. Each process keeps its own.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pretrain.config.settings import PretrainConfig, from_dict, written
from pretrain.data.batches import Batch
from pretrain.teacher import CachedTeacher, describe
from pretrain.train import parallelize, step
from pretrain.train.parallelize import World
from pretrain.train.step import TrainState

logger = logging.getLogger(__name__)

FOLDER = "replay"
KEPT = 3  # steps of which this is kept: the first ones say where it began
TENSORS = ("scene", "person", "scene_noise", "person_noise", "text_index", "teacher_image")


def keep(run: Path, state: TrainState, number: int, batches: list[Batch], random: Tensor) -> None:
    """Write the step down, unless enough are; every process must ask."""
    from safetensors.torch import save_file

    weights = {
        f"model.{name}": parallelize.full_tensor(value.detach()).cpu().contiguous()
        for name, value in state.model.state_dict().items()
    }
    folder = run / FOLDER
    if len(list(folder.glob(f"*-rank{state.world.rank}.safetensors"))) >= KEPT:
        return
    tensors = {**weights, "rng": random}
    used = torch.cat([batch.text_index for batch in batches]).unique().cpu()
    tensors |= {"texts": state.text_features[used].cpu(), "text_rows": used}
    for place, batch in enumerate(batches):
        tensors |= {f"batch.{place}.{name}": v for name, v in _tensors(state, batch).items()}
    facts = {
        "step": number,
        "config": written(state.config),
        "teacher": describe(state.teacher),
        "ids": [batch.ids for batch in batches],
    }
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{number:08d}-rank{state.world.rank}.safetensors"
    save_file(tensors, path, {"replay": json.dumps(facts)})
    logger.warning("step %d is kept in %s: uniemox replay %s", number, path, run)


def _tensors(state: TrainState, batch: Batch) -> dict[str, Tensor]:
    """The batch's tensors on the CPU, the teacher's features among them."""
    if batch.teacher_image is None:
        with torch.no_grad():
            features = state.teacher.image_features(batch.scene)
        batch = dataclasses.replace(batch, teacher_image=features)
    found = {name: getattr(batch, name) for name in TENSORS}
    return {name: value.detach().cpu().contiguous() for name, value in found.items()}


def replay(run: Path, *, step: int | None = None, device: str = "auto") -> dict[str, Any]:
    """{"step", "precision", "losses", "not_finite": names in order of computing, "rows"}.

    On one device, first in the run's precision, then in fp32. ValueError where nothing is kept.
    """
    path = _find(run, step)
    tensors, facts = _read(path)
    config = from_dict(facts["config"])
    place = parallelize.pick_device(device)
    torch.set_rng_state(tensors["rng"])
    tried = {}
    for precision in dict.fromkeys((config.system.precision, "fp32")):
        system = dataclasses.replace(config.system, precision=precision, compile=False)
        alone = dataclasses.replace(config, system=system)
        tried[precision] = _compute(alone, facts, tensors, place)
    return {"step": facts["step"], "file": str(path), "tried": tried}


def _compute(
    config: PretrainConfig, facts: dict[str, Any], tensors: dict[str, Tensor], place: torch.device
) -> dict[str, Any]:
    """Losses, and what was not finite: inputs, modules as they ran, losses, gradients."""
    world = World(rank=0, size=1, device=place)
    teacher = CachedTeacher(facts["teacher"])
    state = step.make_state(config, world, teacher, tensors["texts"])
    weights = {n.removeprefix("model."): v for n, v in tensors.items() if n.startswith("model.")}
    parallelize.fill(state.model, weights)
    state.network.train()
    order = torch.full((int(tensors["text_rows"].max()) + 1,), -1)
    order[tensors["text_rows"]] = torch.arange(len(tensors["text_rows"]))
    batches = [_batch(tensors, ids, k, order).to(place) for k, ids in enumerate(facts["ids"])]
    bad: list[str] = [f"weight {n}" for n, v in weights.items() if not _finite(v)]
    for number, batch in enumerate(batches):
        bad += [
            f"input {name} of micro-batch {number}"
            for name in TENSORS
            if not _finite(getattr(batch, name))
        ]
    hooks = [
        module.register_forward_hook(_watch(name, bad))
        for name, module in state.model.named_modules()
        if name and not list(module.children())
    ]
    found = step.backward(state, batches)
    for hook in hooks:
        hook.remove()
    bad += [f"loss {name}" for name, value in found.items() if not _finite(value)]
    named = state.model.named_parameters()
    bad += [f"gradient of {n}" for n, p in named if p.grad is not None and not _finite(p.grad)]
    rows = [ids for k, ids in enumerate(facts["ids"]) if not _rows_finite(state, batches[k])]
    return {
        "losses": {name: float(value) for name, value in found.items()},
        "not_finite": list(dict.fromkeys(bad)),
        "rows": [row for ids in rows for row in ids],
    }


def _rows_finite(state: TrainState, batch: Batch) -> bool:
    with torch.no_grad():
        return all(_finite(value) for value in step.compute_losses(state, batch).values())


def _watch(name: str, bad: list[str]) -> Any:
    def look(module: Any, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and not _finite(output):
            bad.append(f"output of {name}")

    return look


def _batch(tensors: dict[str, Tensor], ids: list[str], place: int, order: Tensor) -> Batch:
    values = {name: tensors[f"batch.{place}.{name}"] for name in TENSORS}
    values["text_index"] = order[values["text_index"]]
    return Batch(ids=ids, skipped=[], **values)


def _finite(value: Tensor) -> bool:
    return bool(value.isfinite().all())


def _find(run: Path, number: int | None) -> Path:
    """The newest kept step, or that one."""
    found = sorted((run / FOLDER).glob("step-*.safetensors"))
    if number is not None:
        found = [path for path in found if path.name.startswith(f"step-{number:08d}-")]
    if not found:
        raise ValueError(f"{run}: no step to replay; only steps that were not finite are kept")
    return found[-1]


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from pretrain.weights.encoder import read_weights

    tensors, header = read_weights(path, "replay")
    if header is None:
        raise ValueError(f"{path}: not a step that `uniemox pretrain` kept")
    return tensors, json.loads(header)


def told(found: dict[str, Any]) -> str:
    """For people: where the first number that is none appeared, in each precision."""
    lines = [f"step {found['step']} from {found['file']}"]
    for precision, one in found["tried"].items():
        losses = "  ".join(f"{name} {value:.4g}" for name, value in one["losses"].items())
        lines.append(f"{precision}: {losses}")
        if one["not_finite"]:
            rest = len(one["not_finite"]) - 1
            lines.append(f"  first not finite: {one['not_finite'][0]}, then {rest} more")
        else:
            lines.append("  all finite")
    return "\n".join(lines) + "\n"
