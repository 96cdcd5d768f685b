"""Models x seeds x protocols x groups over one dataset, each a result that can be redone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import counting, overlap, protocols, scoring
from benchmarks.adapters import registry
from benchmarks.adapters.base import LabelledRows
from benchmarks.counting import COUNTED_RULES, Counted
from benchmarks.features import backbones, features
from benchmarks.features.backbones import Backbone
from benchmarks.features.features import Progress
from benchmarks.features.pictures import Pictures
from benchmarks.features.views import DEFAULT_CROP, VIEWS
from benchmarks.people import votes
from benchmarks.people.beside import Beside
from benchmarks.problem import folds
from benchmarks.problem import tasks as tasks_
from benchmarks.problem.folds import FoldPlan
from benchmarks.problem.tasks import Targets
from benchmarks.results.predictions import Predictions
from benchmarks.results.result import describe
from emo8.core.errors import Emo8Error, ModelError, SourceError


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What one call of `emo8-bench run` measures."""

    models: tuple[str, ...]
    data: str  # dataset folder, Hub id, registered name, TOML, parquet file or tree of folders
    protocols: tuple[str, ...]
    path: Path | None = None  # where a registered benchmark lies
    train_on: str | None = None  # learn from this dataset, test on `data`
    train_path: Path | None = None  # where that one lies
    label_map: str | None = None  # brings the labels of both to one set
    split_list: Path | None = None  # CSV with file and split in place of the dataset's own split
    split_seed: int = 0  # of the convention that stands in for a missing official split
    task: str | None = None  # None = the dataset's own
    leave_out: tuple[str, ...] = ()  # labels whose rows do not count
    view: str = "scene"  # what the model sees: scene, person or both
    group: str | None = None  # column: leave each of its values out in turn
    cluster: str | None = None  # column: its equal values never train and test together
    seeds: tuple[int, ...] = (0,)
    folds: int | None = None  # None = own split where usable, else 5; 0 = own split
    labels: str = "counted"  # "counted" = by human or source; "all" = also a model's own
    shots: tuple[int, ...] = (5,)  # few_shot: pictures per emotion
    draws: int = 10  # few_shot: times that pictures are drawn
    set: tuple[str, ...] = ()  # settings of protocols as NAME=VALUE
    save: Path | None = None  # finetune: where the classifier goes
    votes: Path | None = None  # votes of single people, where the dataset has none beside it
    seen: str = "warn"  # test pictures that the model was trained on: warn, refuse or ignore
    cache: Path = field(default_factory=features.default_cache)
    image_column: str = "image"
    emotion_column: str = "emotion"


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One model on one dataset with one seed: what every protocol and plan shares."""

    config: RunConfig
    rows: LabelledRows
    targets: Targets
    counted: Counted
    backbone: Backbone
    table: features.Table
    index: list[int]  # rows that count and decode
    digests: list[str]
    seed: int
    people: Beside


def run(
    config: RunConfig, progress: Progress | None = None
) -> Iterator[tuple[dict[str, Any], Predictions]]:
    """One result after the other, with its predictions; mistakes are found before work starts."""
    _check(config)
    rows = _read(config)
    targets = tasks_.targets(rows, config.task, config.leave_out)
    _check_task(config, rows, targets)
    counted = counting.count(
        rows,
        targets,
        labels=config.labels,
        group=config.group,
        cluster=config.cluster,
        progress=progress,
    )
    people = _people(config, rows, targets, counted)
    for name in config.models:
        backbone = backbones.load(name, config.seeds[0])
        for seed in config.seeds:
            if backbones.depends_on_seed(name) and seed != config.seeds[0]:
                backbone = backbones.load(name, seed)
            table = features.extract(
                backbone, rows, counted.index, counted.digests, config.cache, progress, config.view
            )
            if not table.usable.any():
                raise SourceError(f"{rows.origin}: no picture could be decoded: {table.skipped}.")
            used = np.flatnonzero(table.usable)
            case = _Case(
                config=config, rows=rows, targets=targets, counted=counted, backbone=backbone,
                table=table, index=[counted.index[i] for i in used],
                digests=[counted.digests[i] for i in used], seed=seed, people=people,
            )  # fmt: skip
            yield from _results(case, progress)


def _people(config: RunConfig, rows: LabelledRows, targets: Targets, counted: Counted) -> Beside:
    """The votes of single people on the rows that count, where the question is the one they had."""
    ids = counting.row_ids(rows, counted.index, counted.digests)
    if targets.task not in ("single", "dominant"):
        return Beside(None, ids)
    strata = counting.take(targets.strata, counted.index)
    names = tuple(sorted({name for name in strata if name}))
    return Beside(votes.find(votes.of_rows(rows, counted.index), ids, names, config.votes), ids)


def _read(config: RunConfig) -> LabelledRows:
    options: dict[str, Any] = {
        "image": config.image_column,
        "emotion": config.emotion_column,
        "split_seed": config.split_seed,
    }
    rows = registry.read(config.data, config.path, **options)
    if config.split_list is not None:
        from benchmarks.adapters import splits

        rows = splits.apply_list(rows, config.split_list)
    if config.train_on is not None:
        from benchmarks import transfer

        source = registry.read(config.train_on, config.train_path, **options)
        return transfer.joined(source, rows, config.label_map)
    if config.label_map is not None:
        from benchmarks import transfer

        return transfer.relabelled(rows, config.label_map)
    return rows


def _check(config: RunConfig) -> None:
    unknown = sorted(set(config.protocols) - set(protocols.PROTOCOLS))
    if unknown:
        known = ", ".join(protocols.PROTOCOLS)
        raise Emo8Error(f"--protocol {unknown[0]}: not there. Known: {known}.")
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
    if config.view not in VIEWS:
        raise Emo8Error(f"--view {config.view}: choose one of {', '.join(VIEWS)}.")
    if config.task is not None and config.task not in tasks_.TASKS:
        raise Emo8Error(f"--task {config.task}: choose one of {', '.join(tasks_.TASKS)}.")
    if config.train_on and config.group:
        raise Emo8Error("--train-on and --group both say what is learnt from: drop one of them.")
    if config.save and config.protocols != ("finetune",):
        raise Emo8Error("--save keeps the classifier of --protocol finetune: ask for that alone.")
    list(_settings(config))  # a mistake in --set is found now


def _check_task(config: RunConfig, rows: LabelledRows, targets: Targets) -> None:
    if config.view != "scene" and not any(rows.boxes or ()):
        raise SourceError(
            f"--view {config.view}: {rows.origin} gives no person boxes; use --view scene."
        )
    if targets.task == "regression":
        for name in ("zero_shot", "few_shot"):
            if name in config.protocols:
                raise Emo8Error(
                    f"--protocol {name} needs labels, and --task regression has numbers: "
                    "use knn, linear, attentive or finetune."
                )


def _results(
    case: _Case, progress: Progress | None
) -> Iterator[tuple[dict[str, Any], Predictions]]:
    config, rows, targets = case.config, case.rows, case.targets
    data = counting.fold_rows(rows, targets, config.cluster, case.index, case.digests)
    groups = None
    if config.group:
        groups = [str(g) for g in counting.take(rows.column(config.group), case.index)]
    seen = overlap.check(config.seen, case.backbone, rows, case.index, case.digests)
    styles = None
    if "style" in rows.column_names:
        styles = counting.take(rows.column("style"), case.index)
    shown = None
    if rows.num_people is not None:
        shown = [rows.num_people[row] for row in case.index]
    pictures = Pictures(
        rows=rows, index=case.index, digests=case.digests, view=config.view,
        cache=config.cache, progress=progress, crop=case.backbone.crop,
    )  # fmt: skip
    for protocol, settings in _settings(config):
        module = protocols.load(protocol)
        for plan in _plans(config, data, groups, module.LEARNS, case.seed):
            work = scoring.Work(
                module=module, settings=settings, plan=plan, data=data, targets=targets,
                index=case.index, features=case.table.features, backbone=case.backbone,
                pictures=pictures, seed=case.seed, save=config.save, styles=styles,
                num_people=shown,
                ids=counting.row_ids(rows, case.index, case.digests),
            )  # fmt: skip
            found, predictions = scoring.score(work)
            case.people.add_to(found, predictions)
            result = describe(
                _asked(case, protocol, settings, plan),
                {
                    "left_out": case.counted.left_out,
                    "skipped": case.table.skipped,
                    **seen.facts(plan),
                    **found,
                },
                [*rows.notes, *targets.notes, *seen.notes(plan)],
            )
            yield result, predictions


def _asked(case: _Case, protocol: str, settings: Any, plan: FoldPlan) -> dict[str, Any]:
    config = case.config
    asked = {
        "model": case.backbone.name,
        "dataset": case.rows.name,
        "protocol": protocol,
        "group": plan.group,
        "seed": case.seed,
        "settings": asdict(settings),
        "group_column": config.group,
        "cluster_column": config.cluster,
        "split": plan.split,
        "labels": "all" if config.labels == "all" else ", ".join(COUNTED_RULES),
        "model_sha256": case.backbone.sha256,
        "dataset_sha256": case.counted.sha256,
    }
    if case.targets.task != "single":
        asked["task"] = case.targets.task
    if config.leave_out:
        asked["leave_out"] = list(config.leave_out)
    if config.view != "scene":
        asked["view"] = config.view
        if case.backbone.crop != DEFAULT_CROP:
            asked["person_crop"] = asdict(case.backbone.crop)
    return asked


def _settings(config: RunConfig) -> Iterator[tuple[str, Any]]:
    for name in config.protocols:
        settings = protocols.with_options(protocols.load(name).Settings(), name, config.set)
        if name == "few_shot":
            for shots in config.shots:
                yield name, replace(settings, shots=shots, draws=config.draws)
        else:
            yield name, settings
    protocols.require_used(config.protocols, config.set)


def _plans(
    config: RunConfig, data: folds.Rows, groups: list[str] | None, learns: bool, seed: int
) -> list[FoldPlan]:
    if not learns:
        return folds.untrained(data, groups)
    if groups is None:
        num_folds = 0 if config.train_on else config.folds
        return [folds.own_or_kfold(data, num_folds, seed)]
    cross = (config.folds or folds.DEFAULT_FOLDS) if config.cluster else None
    return folds.leave_group_out(data, groups, cross, seed)
