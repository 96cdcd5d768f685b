"""Models x seeds x protocols x groups over one dataset, each a result that can be redone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks import counting, overlap, protocols, run_config, scoring
from benchmarks.adapters import maps, registry
from benchmarks.adapters.base import LabelledRows
from benchmarks.counting import COUNTED_RULES, Counted
from benchmarks.features import backbones, features
from benchmarks.features.backbones import Backbone
from benchmarks.features.features import Progress
from benchmarks.features.pictures import Pictures
from benchmarks.features.views import DEFAULT_CROP
from benchmarks.people import votes
from benchmarks.people.beside import Beside
from benchmarks.problem import folds
from benchmarks.problem import tasks as tasks_
from benchmarks.problem.folds import FoldPlan
from benchmarks.problem.tasks import Targets
from benchmarks.results.predictions import Predictions
from benchmarks.results.result import describe
from benchmarks.run_config import RunConfig
from emo8.core.errors import Emo8Error, SourceError


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
    run_config.check(config)
    rows = _read(config)
    targets = tasks_.targets(rows, config.task, config.leave_out)
    run_config.check_task(config, rows, targets)
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
        if config.votes:
            raise Emo8Error(
                f"--votes {config.votes}: people vote for a label, not for --task {targets.task}."
            )
        return Beside(None, ids)
    strata = counting.take(targets.strata, counted.index)
    names = tuple(sorted({name for name in strata if name}))
    renamed = maps.load(config.label_map) if config.label_map else None
    own = votes.of_rows(rows, counted.index)
    return Beside(votes.find(own, ids, names, config.votes, renamed), ids)


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
    for protocol, settings in run_config.settings(config):
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
