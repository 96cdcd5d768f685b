"""What one call of `emo8-bench run` asks, and whether that can be done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks import protocols
from benchmarks.adapters import registry
from benchmarks.adapters.base import LabelledRows
from benchmarks.features import backbones, features
from benchmarks.features.views import VIEWS
from benchmarks.problem import tasks as tasks_
from benchmarks.problem.tasks import Targets
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


def check(config: RunConfig) -> None:
    """Nothing, where what is asked can be done and every option counts; an error else."""
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
    if min(config.shots) < 1 or config.draws < 1:
        raise Emo8Error("--shots and --draws must be at least 1.")
    if config.view not in VIEWS:
        raise Emo8Error(f"--view {config.view}: choose one of {', '.join(VIEWS)}.")
    if config.task is not None and config.task not in tasks_.TASKS:
        raise Emo8Error(f"--task {config.task}: choose one of {', '.join(tasks_.TASKS)}.")
    _check_learning(config)
    _check_options(config)
    list(settings(config))  # a mistake in --set is found now


def check_task(config: RunConfig, rows: LabelledRows, targets: Targets) -> None:
    """Nothing, where the dataset has what is asked for; an error else."""
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


def _check_learning(config: RunConfig) -> None:
    if config.group and config.folds is not None and not config.cluster:
        raise Emo8Error(
            f"--folds {config.folds} with --group {config.group}: leaving one group out makes its "
            "own folds. Drop --folds, or add --cluster COLUMN to leave its values out too."
        )
    if config.train_on and config.group:
        raise Emo8Error("--train-on and --group both say what is learnt from: drop one of them.")
    if config.train_on and config.folds:
        raise Emo8Error(f"--train-on and --folds {config.folds} both say what is learnt from.")
    if config.save and config.protocols != ("finetune",):
        raise Emo8Error("--save keeps the classifier of --protocol finetune: ask for that alone.")
    if config.save and config.view != "scene":
        raise Emo8Error(
            f"--save with --view {config.view}: `uniemox predict` shows a classifier whole "
            "pictures, and this one would have learnt from people. Use --view scene."
        )
    if config.save and (len(config.models) > 1 or len(config.seeds) > 1 or config.group):
        raise Emo8Error(
            f"--save {config.save} keeps one classifier: give one --model, one --seed, no --group."
        )


def _check_options(config: RunConfig) -> None:
    """Emo8Error for an option that what is asked has no use for."""
    plain = RunConfig(models=(), data="", protocols=())
    few = "few_shot" not in config.protocols
    no_table = "names a column, and these data are no table"
    unused = (
        ("--shots", few and config.shots != plain.shots, "goes with --protocol few_shot"),
        ("--draws", few and config.draws != plain.draws, "goes with --protocol few_shot"),
        (
            "--train-path",
            config.train_path is not None and config.train_on is None,
            "goes with --train-on",
        ),
        (
            "--folds",
            config.protocols == ("zero_shot",) and config.folds is not None,
            "is for protocols that learn, and zero_shot does not",
        ),
        (
            "--split-seed",
            config.split_seed != plain.split_seed and not _any(config, "split"),
            "cuts datasets that have no official split, and this one is not cut by us",
        ),
        (
            "--image-column",
            config.image_column != plain.image_column and not _any(config, "columns"),
            no_table,
        ),
        (
            "--emotion-column",
            config.emotion_column != plain.emotion_column and not _any(config, "columns"),
            no_table,
        ),
    )
    for option, is_unused, why in unused:
        if is_unused:
            raise Emo8Error(f"{option} {why}: it would change nothing. Leave it out.")


def _any(config: RunConfig, option: str) -> bool:
    """Whether a dataset of the run is read by `option`: its columns, or the seed of its split."""
    named = [data for data in (config.data, config.train_on) if data]
    return any(option in registry.options(data) for data in named)


def settings(config: RunConfig) -> Iterator[tuple[str, Any]]:
    """Each protocol with its settings; few_shot once per number of shots."""
    for name in config.protocols:
        own = protocols.with_options(protocols.load(name).Settings(), name, config.set)
        if name == "few_shot":
            for shots in config.shots:
                yield name, replace(own, shots=shots, draws=config.draws)
        else:
            yield name, own
    protocols.require_used(config.protocols, config.set)
