"""`emo8-bench ask` and `prompts`: pictures put to a language model, answers to be scored."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

DATA = "a build, a dataset folder, a Hub id, a parquet file, a folder per emotion, or a name"


def add(commands: Any) -> None:
    """The parsers of `ask` and `prompts`."""
    ask = commands.add_parser(
        "ask", help="put every picture to a language model and write a table of its answers"
    )
    option = ask.add_argument
    option(
        "--model", required=True, metavar="M",
        help="hf:NAME (transformers), or a name that the server of --endpoint knows",
    )  # fmt: skip
    option(
        "--endpoint", metavar="URL",
        help="an OpenAI-compatible server, as http://host:port/v1; the key comes from EMO8_API_KEY "
        "or OPENAI_API_KEY",
    )  # fmt: skip
    option("--data", required=True, metavar="DATA", help=DATA)
    option("--path", type=Path, help="where a registered benchmark lies")
    option("--labels", choices=("counted", "all"), default="counted",
           help="counted = only pictures with a label by a person or a source")  # fmt: skip
    option("--map", metavar="MAP", help="label map by name or .toml, for the data")
    option("--prompt", default="word-1", metavar="NAME", help="see `emo8-bench prompts`")
    option("--repeats", type=int, default=1, metavar="R", help="shuffles of the options")
    option("--seed", type=int, default=0, metavar="S", help="of the shuffles")
    option("--per-minute", type=float, default=0.0, metavar="N", help="questions; default no limit")
    option("--workers", type=int, default=1, metavar="N", help="questions at once")
    option("--price", type=float, nargs=2, default=(0.0, 0.0), metavar=("IN", "OUT"),
           help="of a million tokens, to count the cost")  # fmt: skip
    option("--max-cost", type=float, default=0.0, metavar="C", help="stop when it is spent")
    option("--limit", type=int, metavar="N", help="only the first N pictures")
    option("--out", type=Path, required=True, metavar="ANSWERS.jsonl",
           help="answers are appended; the same command goes on where it stopped")  # fmt: skip
    ask.set_defaults(call=run)
    prompts = commands.add_parser("prompts", help="print the questions put to language models")
    prompts.set_defaults(call=_prompts)


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0 when every question has an answer, 1 when some could not be had."""
    import numpy as np

    from benchmarks.asking import models
    from benchmarks.asking.ask import AskConfig, ask
    from benchmarks.people import truth
    from emo8.core.errors import Emo8Error

    if arguments.repeats < 1 or arguments.workers < 1:
        raise Emo8Error("--repeats and --workers must be at least 1.")
    if arguments.max_cost and not any(arguments.price):
        raise Emo8Error("--max-cost counts by --price IN OUT: give the price of a million tokens.")
    config = AskConfig(
        prompt=arguments.prompt,
        repeats=arguments.repeats,
        seed=arguments.seed,
        per_minute=arguments.per_minute,
        workers=arguments.workers,
        price=tuple(arguments.price),
        max_cost=arguments.max_cost,
    )
    known = truth.read(
        arguments.data, arguments.path, labels=arguments.labels, label_map=arguments.map
    )
    if arguments.limit:
        known = known.only(np.arange(len(known.ids)) < arguments.limit)
    bill = ask(models.load(arguments.model, arguments.endpoint), known, config, arguments.out)
    told = f"{bill.answered} answers, {bill.tokens_in} tokens in, {bill.tokens_out} out"
    if any(config.price):
        told += f", cost {bill.cost(config.price):.4f}"
    print(f"{arguments.out}: {told}")
    if bill.unanswered:
        print(f"{bill.unanswered} questions have no answer yet: the same command goes on")
    return 1 if bill.unanswered else 0


def _prompts(arguments: argparse.Namespace) -> int:
    from benchmarks.asking import prompts

    print(prompts.printed())
    return 0
