"""`emo8-bench score`, `ceiling` and `words`: anybody's answers, beside what people reach."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

DATA = "a build, a dataset folder, a Hub id, a parquet file, a folder per emotion, or a name"


def add(commands: Any) -> None:
    """The parsers of `score`, `ceiling` and `words`."""
    score = commands.add_parser(
        "score",
        help="score a table of answers of any model: an API's, a language model's, a person's",
    )
    score.add_argument(
        "answers", nargs="+", type=Path, metavar="ANSWERS",
        help="CSV, JSON lines or parquet with id (or path), answer, and optionally confidence, "
        "probs, valence, arousal, repeat, options",
    )  # fmt: skip
    _add_data(score)
    score.add_argument("--name", nargs="+", metavar="MODEL", help="default: the files' names")
    score.add_argument("--map", metavar="MAP", help="label map by name or .toml, for the data")
    score.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl",
                       help="results are appended here")  # fmt: skip
    score.set_defaults(call=_score)
    ceiling = commands.add_parser(
        "ceiling", help="what people themselves reach on a dataset with several votes a picture"
    )
    _add_data(ceiling, positional=True)
    ceiling.add_argument("--out", type=Path, metavar="FILE.jsonl", help="append it as a result")
    ceiling.add_argument("--json", action="store_true", help="print it as one JSON object")
    ceiling.set_defaults(call=_ceiling)
    words = commands.add_parser("words", help="print the rule and table that read free texts")
    words.add_argument("labels", nargs="*", metavar="LABEL", help="only of these labels")
    words.set_defaults(call=_words)


def _add_data(parser: argparse.ArgumentParser, *, positional: bool = False) -> None:
    if positional:
        parser.add_argument("data", metavar="DATA", help=DATA)
    else:
        parser.add_argument("--data", required=True, metavar="DATA", help=DATA)
    add = parser.add_argument
    add("--path", type=Path, help="where a registered benchmark lies")
    add("--votes", type=Path, metavar="FILE", help="votes with id, annotator, emotion")
    add(
        "--labels", choices=("counted", "all"), default="counted",
        help="counted = only labels by a person or a source; all = a model's labels too",
    )  # fmt: skip
    add("--image-column", default="image", metavar="NAME")
    add("--emotion-column", default="emotion", metavar="NAME")
    add("--seed", type=int, default=0, metavar="S", help="of the resampling")
    add("--resamples", type=int, default=1000, metavar="B", help="bootstraps of each interval")


def _truth(arguments: argparse.Namespace, label_map: str | None = None) -> Any:
    from benchmarks.people import truth

    return truth.read(
        arguments.data,
        arguments.path,
        labels=arguments.labels,
        label_map=label_map,
        votes=arguments.votes,
        image=arguments.image_column,
        emotion=arguments.emotion_column,
    )


def _score(arguments: argparse.Namespace) -> int:
    """Exit code 0 when every table was scored."""
    return score_tables(arguments, names=arguments.name, seed=arguments.seed)


def score_tables(
    arguments: argparse.Namespace, *, names: list[str] | None = None, seed: int = 0
) -> int:
    """Score `arguments.answers`, append the results, and print them; `run --answers` calls it."""
    from benchmarks.answers import files, score
    from benchmarks.results import predictions, table
    from benchmarks.results.result import append, require_writable
    from emo8.core.errors import Emo8Error

    names = names or [path.stem for path in arguments.answers]
    if len(names) != len(arguments.answers):
        raise Emo8Error(f"--name: {len(names)} names for {len(arguments.answers)} tables.")
    require_writable(arguments.out)
    known = _truth(arguments, arguments.map)
    resamples = getattr(arguments, "resamples", score.RESAMPLES)
    results = []
    for name, path in zip(names, arguments.answers, strict=True):
        result, said = score.score(
            files.read(path), known, model=name, seed=seed, resamples=resamples,
            labels=arguments.labels,
        )  # fmt: skip
        append(result, arguments.out)
        predictions.write(said, result, arguments.out)
        results.append(result)
    print(table.show(table.tables(results), "markdown"))
    for result in results:
        for note in result["notes"]:
            print(f"{result['model']}: {note}")
    return 0


def _ceiling(arguments: argparse.Namespace) -> int:
    """Exit code 0; what people reach on standard output."""
    import json

    from benchmarks.people import beside
    from benchmarks.results.result import append, require_writable

    if arguments.out:
        require_writable(arguments.out)
    result = beside.result(_truth(arguments), seed=arguments.seed, resamples=arguments.resamples)
    if arguments.out:
        append(result, arguments.out)
    print(json.dumps(result) if arguments.json else beside.text(result))
    return 0


def _words(arguments: argparse.Namespace) -> int:
    from benchmarks.answers import words

    print(words.printed(arguments.labels))
    return 0
