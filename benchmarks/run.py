"""Models x seeds x protocols x groups over one dataset, each a result that can be redone."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import backbones, features, folds, metrics, protocols, registry
from benchmarks.adapters.base import LabelledRows
from benchmarks.backbones import Backbone, Features
from benchmarks.features import Progress
from benchmarks.folds import Plan
from benchmarks.protocols.base import Prob, Problem
from benchmarks.result import baselines, describe
from emo8.errors import Emo8Error, ModelError, SourceError

COUNTED_RULES = ("human", "source")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What one call of `emo8-bench run` measures."""

    models: tuple[str, ...]
    data: str  # dataset folder, Hub id, registered name, parquet file or tree of folders
    protocols: tuple[str, ...]
    path: Path | None = None  # where a registered benchmark lies
    group: str | None = None  # column: leave each of its values out in turn
    cluster: str | None = None  # column: its equal values never train and test together
    seeds: tuple[int, ...] = (0,)
    folds: int | None = None  # None = own split where usable, else 5; 0 = own split
    labels: str = "counted"  # "counted" = by human or source; "all" = also a model's own
    shots: tuple[int, ...] = (5,)  # few_shot: pictures per emotion
    draws: int = 10  # few_shot: times that pictures are drawn
    cache: Path = field(default_factory=features.default_cache)
    image_column: str = "image"
    emotion_column: str = "emotion"


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The rows that count, in order, and why the others do not."""

    index: list[int]  # row numbers in the dataset
    digests: list[str]  # of the picture bytes
    left_out: dict[str, int]  # reason -> rows
    sha256: str  # of the pictures, their labels, splits and clusters


def run(config: RunConfig, progress: Progress | None = None) -> Iterator[dict[str, Any]]:
    """One result after the other, as dictionaries; mistakes are found before work starts."""
    _check(config)
    rows = registry.read(
        config.data, config.path, image=config.image_column, emotion=config.emotion_column
    )
    counted = count(rows, config, progress)
    for name in config.models:
        backbone = backbones.load(name, config.seeds[0])
        for seed in config.seeds:
            if backbones.depends_on_seed(name) and seed != config.seeds[0]:
                backbone = backbones.load(name, seed)
            table = features.extract(
                backbone, rows, counted.index, counted.digests, config.cache, progress
            )
            if not table.usable.any():
                raise SourceError(f"{rows.origin}: no picture could be decoded: {table.skipped}.")
            yield from _results(config, rows, counted, backbone, table, seed)


def count(rows: LabelledRows, config: RunConfig, progress: Progress | None = None) -> Counted:
    """The rows whose label is a person's or a source's claim (all labels if asked)."""
    groups = rows.require(config.group, "--group") if config.group else None
    if config.cluster:
        rows.require(config.cluster, "--cluster")
    index: list[int] = []
    left_out: Counter[str] = Counter()
    for row, (emotion, rule) in enumerate(zip(rows.emotion, rows.rule, strict=True)):
        if emotion is None:
            left_out["no emotion"] += 1
        elif config.labels != "all" and rule not in COUNTED_RULES:
            left_out[f"emotion_rule {rule}"] += 1
        elif groups is not None and groups[row] is None:
            left_out[f"no {config.group}"] += 1
        else:
            index.append(row)
    if len({rows.emotion[row] for row in index}) < 2:
        why = ", ".join(f"{n} x {reason}" for reason, n in left_out.items()) or "no rows"
        raise SourceError(
            f"{rows.origin}: {len(index)} of {len(rows)} rows count, fewer than two emotions "
            f"({why}). Labels must come from a person or a source; --labels all counts the rest."
        )
    digests = features.digests(rows, index, progress)
    column = _cluster_column(config, rows)
    clusters = rows.column(column) if column else [None] * len(rows)
    lines = [
        f"{digest} {rows.emotion[row]} {rows.split[row]} {clusters[row]}"
        for digest, row in zip(digests, index, strict=True)
    ]
    sha256 = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return Counted(
        index=index, digests=digests, left_out=dict(sorted(left_out.items())), sha256=sha256
    )


def _check(config: RunConfig) -> None:
    for name in config.models:
        backbones.check(name)
        if "zero_shot" in config.protocols and not backbones.has_text(name):
            raise ModelError(
                f"zero_shot asks a model in words, and --model {name} has no text side: "
                "use embedded or open_clip:NAME/TAG."
            )
    if config.group and config.folds is not None and not config.cluster:
        raise Emo8Error(
            f"--folds {config.folds} with --group {config.group}: leaving one group out makes its "
            "own folds. Drop --folds, or add --cluster COLUMN to leave its values out too."
        )
    if min(config.shots) < 1 or config.draws < 1:
        raise Emo8Error("--shots and --draws must be at least 1.")
    unknown = sorted(set(config.protocols) - set(protocols.PROTOCOLS))
    if unknown:
        known = ", ".join(protocols.PROTOCOLS)
        raise Emo8Error(f"--protocol {unknown[0]}: not there. Known: {known}.")


def _results(
    config: RunConfig,
    rows: LabelledRows,
    counted: Counted,
    backbone: Backbone,
    table: features.Table,
    seed: int,
) -> Iterator[dict[str, Any]]:
    used = np.flatnonzero(table.usable)
    index = [counted.index[i] for i in used]
    digests = [counted.digests[i] for i in used]
    data = _fold_rows(config, rows, index, digests)
    groups = [str(g) for g in _take(rows.column(config.group), index)] if config.group else None
    for protocol, settings in _settings(config):
        module = protocols.load(protocol)
        for plan in _plans(config, data, groups, module.LEARNS, seed):
            result = _score(module, settings, plan, data, table.features, backbone, seed)
            yield describe(
                {
                    "model": backbone.name,
                    "dataset": rows.name,
                    "protocol": protocol,
                    "group": plan.group,
                    "seed": seed,
                    "settings": asdict(settings),
                    "group_column": config.group,
                    "cluster_column": config.cluster,
                    "split": plan.split,
                    "labels": "all" if config.labels == "all" else ", ".join(COUNTED_RULES),
                    "model_sha256": backbone.sha256,
                    "dataset_sha256": counted.sha256,
                },
                {"left_out": counted.left_out, "skipped": table.skipped, **result},
                rows.notes,
            )


def _take(values: list[str | None], index: list[int]) -> list[str | None]:
    return [values[row] for row in index]


def _cluster_column(config: RunConfig, rows: LabelledRows) -> str | None:
    return config.cluster or ("cluster" if "cluster" in rows.column_names else None)


def _fold_rows(
    config: RunConfig, rows: LabelledRows, index: list[int], digests: list[str]
) -> folds.Rows:
    column = _cluster_column(config, rows)
    clusters = _take(rows.column(column), index) if column else [None] * len(index)
    return folds.Rows(
        emotion=np.array(_take(rows.emotion, index), dtype=np.str_),
        split=np.array([split or "" for split in _take(rows.split, index)], dtype=np.str_),
        cluster=folds.numbered(clusters, digests),
        origin=rows.origin,
    )


def _settings(config: RunConfig) -> Iterator[tuple[str, Any]]:
    for name in config.protocols:
        settings = protocols.load(name).Settings()
        if name == "few_shot":
            for shots in config.shots:
                yield name, replace(settings, shots=shots, draws=config.draws)
        else:
            yield name, settings


def _plans(
    config: RunConfig, data: folds.Rows, groups: list[str] | None, learns: bool, seed: int
) -> list[Plan]:
    if not learns:
        return folds.untrained(data, groups)
    if groups is None:
        return [folds.own_or_kfold(data, config.folds, seed)]
    cross = (config.folds or folds.DEFAULT_FOLDS) if config.cluster else None
    return folds.leave_group_out(data, groups, cross, seed)


def _score(
    module: Any,
    settings: Any,
    plan: Plan,
    data: folds.Rows,
    table: Features,
    backbone: Backbone,
    seed: int,
) -> dict[str, Any]:
    """Predictions of every fold, pooled and scored; with the baselines of the same rows.

    The emotions to choose from are those of the rows in the folds; where nothing is learnt, those
    of all counted rows, so that a left-out group is asked about the whole label set.
    """
    in_folds = np.concatenate([np.concatenate([f.train, f.test]) for f in plan.folds])
    named = data.emotion if not module.LEARNS else data.emotion[in_folds]
    emotions = tuple(sorted(set(named.tolist())))
    numbers = {name: number for number, name in enumerate(emotions)}
    target = np.array([numbers.get(name, -1) for name in data.emotion.tolist()], dtype=np.int64)
    blocks = data.cluster if plan.blocks is None else plan.blocks
    prob: list[Prob] = []
    chosen: list[dict[str, Any]] = []
    notes = list(plan.notes)
    for fold in plan.folds:
        problem = Problem(
            features=table, target=target, emotions=emotions, train=fold.train, valid=fold.valid,
            test=fold.test, blocks=blocks, seed=seed, backbone=backbone,
        )  # fmt: skip
        prediction = module.predict(problem, settings)
        prob.append(prediction.prob)
        chosen.append(prediction.chosen)
        notes += prediction.notes
    test = np.concatenate([fold.test for fold in plan.folds])
    scores = metrics.score(target[test], np.concatenate(prob, axis=1), emotions, seed=seed)
    return {
        "n": len(test),
        "n_train": round(float(np.mean([len(fold.train) for fold in plan.folds]))),
        **asdict(scores),
        "emotions": list(emotions),
        "baselines": baselines(plan, target, len(emotions)),
        "chosen": chosen,
        "notes": list(dict.fromkeys(notes)),
    }
