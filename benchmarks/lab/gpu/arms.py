"""Three arms trained for the time that is left, and asked what they learned."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.lab import learned
from benchmarks.lab.learned import Seen
from pretrain.config.overrides import override
from pretrain.config.settings import PretrainConfig
from pretrain.data.cache import MemorySource, read_cache
from pretrain.models.uniemox import UniEmoX, build_model
from pretrain.train.loop import pretrain
from pretrain.train.metrics import read_metrics
from pretrain.weights import encoder

ARMS = {
    "full": {},
    "mae": {"loss.contrastive_on": "false", "loss.similarity_on": "false"},
    "distillation": {"loss.reconstruction_on": "false"},
}
TRIED = 8  # steps of a first short run, to know how many fit into the time


def train(
    config: PretrainConfig, views: Path, folder: Path, seconds: float, held_out: str
) -> dict[str, Any]:
    """{arm: curve, speed, what it learned}, and the untrained network beside them."""
    sources = tuple(read_cache(views, split, config) for split in (config.data.split, held_out))
    teacher = sources[0].teacher
    assert teacher is not None
    found: dict[str, Any] = {}
    untrained = build_model(config.model, teacher_dim=teacher.dim, seed=config.seed)
    found["untrained"] = ask(untrained, config, sources, student=False)
    for name, changes in ARMS.items():
        arm = override(config, changes)
        run, steps = folder / name, steps_for(arm, views, folder / f"{name}-try", seconds)
        pretrain(dataclasses.replace(arm, steps=steps), str(views), run)
        model, used = encoder.load_model(run)
        lines = [line for line in read_metrics(run / "metrics.jsonl") if "losses" in line]
        found[name] = {
            "steps": steps,
            **speed(lines),
            "curve": [[x["step"], x["loss"]] for x in lines[:: max(1, len(lines) // 100)]],
            **ask(model, used, sources, student=name != "mae"),
        }
    return found


def steps_for(config: PretrainConfig, views: Path, run: Path, seconds: float) -> int:
    """As many steps as fit into an arm's share of the time, by the speed of a short run."""
    pretrain(dataclasses.replace(config, steps=TRIED), str(views), run)
    lines = [line for line in read_metrics(run / "metrics.jsonl") if "losses" in line]
    timed = [x["timing"]["data_s"] + x["timing"]["step_s"] for x in lines[TRIED // 2 :]]
    return max(TRIED, int(seconds / len(ARMS) / statistics.median(timed)))


def speed(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of a run by its log, the first steps left out."""
    timed = [line["timing"] for line in lines[TRIED // 2 :]]
    waited = sum(t["data_s"] for t in timed)
    found = {
        "images_s": statistics.median(t["images_s"] for t in timed),
        "data_wait_share": round(waited / sum(t["data_s"] + t["step_s"] for t in timed), 4),
    }
    for name in ("mfu", "memory_mib"):
        if name in timed[-1]:
            found[name] = max(t[name] for t in timed)
    return found


def ask(
    model: UniEmoX,
    config: PretrainConfig,
    sources: tuple[MemorySource, ...],
    *,
    student: bool,
    limit: int = 2000,
) -> dict[str, Any]:
    """The teacher's variance explained on held-out pictures, recall by text, nearest styles."""
    if torch.cuda.is_available():
        model = model.cuda()
    train, held_out = (
        learned.look(model, config, source, limit=limit, student=student) for source in sources
    )
    found: dict[str, Any] = {
        "rows": [len(train.features), len(held_out.features)],
        "explained_by_features": round(learned.linearly_explained(train, held_out), 4),
    }
    texts = sources[1].text_features
    assert texts is not None
    if held_out.student is not None:
        found["explained"] = round(learned.explained(held_out.student, held_out.teacher), 4)
        found["recall"] = learned.recall(held_out.student, texts, held_out.own_text)
    found["recall_of_teacher"] = learned.recall(held_out.teacher, texts, held_out.own_text)
    if labels := _styles(sources, (train, held_out)):
        found["nearest_style"] = round(learned.nearest_labels(train, held_out, labels), 4)
    return found


def _styles(
    sources: tuple[MemorySource, ...], seen: tuple[Seen, ...]
) -> tuple[np.ndarray, np.ndarray] | None:
    names = [source.labels.get("style") for source in sources]
    if None in names:
        return None
    one, two = (np.array(n[: len(s.features)]) for n, s in zip(names, seen, strict=True) if n)
    return one, two
