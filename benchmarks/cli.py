"""The command line `emo8-bench`: parse, call, print. Heavy modules are imported where used."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.commands import ask, browse, compare, score
from benchmarks.protocols import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.features.features import Progress

MODELS = "a RUN folder, embedded, timm:NAME, open_clip:NAME/TAG, random:RECIPE, pixels:16"
DATA = "a dataset folder or Hub id, a registered benchmark, a parquet file, a folder per emotion"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0 when every result was written, 2 for a user's mistake, 130 interrupted (the same
    command goes on), 141 whoever read the output stopped."""
    from emo8.core.errors import Emo8Error

    arguments = build_parser().parse_args(argv)
    try:
        code: int = arguments.call(arguments)
        sys.stdout.flush()
        return code
    except Emo8Error as error:
        print(f"emo8-bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("emo8-bench: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emo8-bench", description="Measure how good a backbone is at emotion."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="measure models and append one JSON line per result"))
    table = commands.add_parser("table", help="show result files as one table")
    table.add_argument("files", nargs="+", type=Path, metavar="FILE")
    table.add_argument("--format", choices=("markdown", "html", "latex"), default="markdown")
    table.add_argument(
        "--figures", type=Path, metavar="DIR",
        help="also draw confusion, reliability, intervals and per-style bars as SVG",
    )  # fmt: skip
    table.set_defaults(call=_table)
    browse.add(commands)
    check = commands.add_parser(
        "check", help="count a benchmark's files against what is documented"
    )
    check.add_argument("name", metavar="NAME", help="a registered benchmark or a .toml")
    check.add_argument("path", type=Path, metavar="PATH")
    check.add_argument("--write-split", type=Path, metavar="CSV", help="file,split,sha256")
    check.add_argument("--split-seed", type=int, default=0)
    check.set_defaults(call=_check)
    ask.add(commands)
    score.add(commands)
    compare.add(commands)
    known = commands.add_parser("list", help="show registered benchmarks, protocols and models")
    known.set_defaults(call=_list)
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    add = run.add_argument
    add("--model", nargs="+", required=True, metavar="M", help=MODELS)
    add("--data", required=True, metavar="DATA", help=DATA)
    add("--path", type=Path, help="where a registered benchmark lies")
    add("--protocol", nargs="+", required=True, choices=tuple(PROTOCOLS))
    add("--out", type=Path, required=True, metavar="FILE.jsonl", help="results are appended here")
    add("--seed", nargs="+", type=int, default=[0], metavar="S")
    add(
        "--answers", nargs="+", default=[], type=Path, metavar="FILE",
        help="also score these tables of answers, as `emo8-bench score` does",
    )  # fmt: skip
    add("--votes", type=Path, metavar="FILE", help="votes with id, annotator, emotion")
    add("--view", default="scene", help="scene, person (its box) or both; default scene")
    add(
        "--set", nargs="+", default=[], metavar="NAME=VALUE",
        help="settings of the protocols, e.g. recipe=uniemox epochs=10",
    )  # fmt: skip
    add("--shots", nargs="+", type=int, default=[5], metavar="K", help="few_shot: per emotion")
    add("--draws", type=int, default=10, help="few_shot: times that pictures are drawn")
    add("--save", type=Path, metavar="FILE", help="finetune: keep the classifier as .safetensors")
    add("--seen", default="warn", help="test pictures the model trained on: warn, refuse, ignore")
    add("--cache", type=Path, metavar="DIR", help="features (default EMO8_CACHE or ~/.cache/emo8)")
    _add_splits(run.add_argument_group("who learns, who is tested").add_argument)
    _add_labels(run.add_argument_group("labels").add_argument)
    run.set_defaults(call=_run)


def _add_splits(add: Callable[..., Any]) -> None:
    add(
        "--folds",
        type=int,
        metavar="K",
        help="K folds; 0 = the dataset's own split; default: own split where usable, else 5",
    )
    add("--group", metavar="COLUMN", help="leave each value of this column out in turn")
    add(
        "--cluster",
        metavar="COLUMN",
        help="equal values never train and test together (default: the column cluster, if there); "
        "an own split stays as it is, and the result says how many do",
    )
    add("--train-on", metavar="DATA", help="learn from this dataset, test on --data")
    add("--train-path", type=Path, help="where that one lies")
    add("--split-list", type=Path, metavar="CSV", help="file,split in place of the own split")
    add("--split-seed", type=int, default=0, help="of the split where none is official")


def _add_labels(add: Callable[..., Any]) -> None:
    add(
        "--labels",
        choices=("counted", "all"),
        default="counted",
        help="counted = only labels by a person or a source; all = a model's labels too",
    )
    add("--task", metavar="TASK", help="single, dominant, polarity, multi_label, distribution, "
        "regression; default: the dataset's own")  # fmt: skip
    add("--leave-out", nargs="+", default=[], metavar="LABEL", help="labels that do not count")
    add("--map", metavar="MAP", help="label map by name or .toml, applied to all labels")
    add("--image-column", default="image", metavar="NAME")
    add("--emotion-column", default="emotion", metavar="NAME")


def _run(arguments: argparse.Namespace) -> int:
    from benchmarks import run
    from benchmarks.features.features import default_cache
    from benchmarks.results import predictions
    from benchmarks.results.result import append, require_writable

    config = run.RunConfig(
        models=tuple(arguments.model),
        data=arguments.data,
        path=arguments.path,
        protocols=tuple(arguments.protocol),
        group=arguments.group,
        cluster=arguments.cluster,
        seeds=tuple(arguments.seed),
        folds=arguments.folds,
        labels=arguments.labels,
        shots=tuple(arguments.shots),
        draws=arguments.draws,
        cache=arguments.cache or default_cache(),
        image_column=arguments.image_column,
        emotion_column=arguments.emotion_column,
        train_on=arguments.train_on,
        train_path=arguments.train_path,
        label_map=arguments.map,
        split_list=arguments.split_list,
        split_seed=arguments.split_seed,
        task=arguments.task,
        leave_out=tuple(arguments.leave_out),
        view=arguments.view,
        set=tuple(arguments.set),
        save=arguments.save,
        seen=arguments.seen,
        votes=arguments.votes,
    )
    require_writable(arguments.out)
    with _progress() as progress:
        for result, found in run.run(config, progress):
            append(result, arguments.out)
            predictions.write(found, result, arguments.out)
            print(_one_line(result))
    if arguments.answers:
        score.score_tables(arguments, seed=arguments.seed[0])
    return 0


def _one_line(result: dict[str, object]) -> str:
    from benchmarks.results import table

    (shown,) = [t for t in table.tables([result]) if t.header[0] == "dataset" and "n" in t.header]
    line = dict(zip(shown.header, shown.lines[0], strict=True))
    where = f" {line['group']}" if line["group"] else ""
    notes = result["notes"]
    said = "".join(f"\n  note: {note}" for note in notes) if isinstance(notes, list) else ""
    told = ", ".join(
        f"{name.removesuffix(' [95%]')} {line[name]}" for name in shown.header[4:] if name != "seed"
    )
    return f"{line['model']} {line['protocol']}{where}: {told}{said}"


@contextmanager
def _progress() -> Iterator[Progress]:
    """A function that moves a bar on stderr; the bar is gone when the work is done."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    bar = Bar(console=Console(stderr=True), transient=True)
    tasks = {}

    def show(what: str, done: int, total: int) -> None:
        bar.start()  # only now: a mistake found before any work leaves no bar behind
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        bar.update(tasks[what], completed=done, total=total, visible=done < total)

    try:
        yield show
    finally:
        if tasks:
            bar.stop()


def _table(arguments: argparse.Namespace) -> int:
    from benchmarks.results import table

    results = table.read_results(arguments.files)
    print(table.show(table.tables(results), arguments.format))
    if arguments.figures:
        from benchmarks.results import figures

        for path in figures.draw(results, arguments.files, arguments.figures):
            print(path, file=sys.stderr)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from benchmarks.adapters import checking

    report, rows = checking.check(arguments.name, arguments.path, split_seed=arguments.split_seed)
    print(checking.text(report))
    if arguments.write_split:
        from benchmarks.adapters import splits

        lines = splits.write_list(rows, arguments.write_split)
        print(f"{arguments.write_split}: {lines} files with their split and SHA-256")
    return 1 if report.differences or report.missing else 0


def _list(arguments: argparse.Namespace) -> int:
    from benchmarks.adapters import registry

    print("benchmarks (--data NAME --path PATH):")
    for name in registry.BENCHMARKS:
        facts = registry.info(name)
        print(f"  {name}: {facts.title}")
        print(f"    layout: {facts.layout}\n    get: {facts.get}\n    licence: {facts.license}")
        print(f"    tasks: {', '.join(facts.tasks)}; split: {facts.split}")
    print(f"protocols: {', '.join(PROTOCOLS)}")
    print(f"models: {MODELS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
