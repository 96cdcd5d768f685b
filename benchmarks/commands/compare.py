"""`emo8-bench compare`: are two models different on the same pictures?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

BY = ("emotion", "style", "people")


def add(commands: Any) -> None:
    """The parser of `compare`."""
    compare = commands.add_parser(
        "compare",
        help="paired tests between the models of a results file, or between tables of answers",
    )
    compare.add_argument(
        "results", nargs="+", type=Path, metavar="FILE",
        help="RESULTS.jsonl; or, with --data, tables of answers",
    )  # fmt: skip
    compare.add_argument("--base", metavar="MODEL", help="compare with this one; default: the best")
    compare.add_argument(
        "--by", nargs="+", choices=BY, default=[],
        help="also per emotion, style, or number of people shown",
    )  # fmt: skip
    compare.add_argument(
        "--across", action="store_true", help="compare over protocols: zero_shot with answers, …"
    )
    compare.add_argument("--data", metavar="DATA", help="the dataset that tables of answers are of")
    compare.add_argument("--path", type=Path, help="where a registered benchmark lies")
    compare.set_defaults(call=run)


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0; the table on standard output."""
    from benchmarks.results import compare
    from emo8.core.errors import Emo8Error

    caveats: list[str] = []
    options = {"base": arguments.base, "by": arguments.by}
    if arguments.data:
        found = compare.differences(_scored(arguments), **options)
        if not found:
            raise Emo8Error("--data: give two tables of answers or more.")
    elif len(arguments.results) > 1:
        raise Emo8Error("several FILEs are tables of answers: say what they are of with --data.")
    else:
        found = compare.compare(arguments.results[0], across=arguments.across, **options)
        caveats = compare.caveats(arguments.results[0])
    print("\n\n".join([compare.markdown(found), *caveats]))
    return 0


def _scored(arguments: argparse.Namespace) -> list[tuple[dict[str, Any], Any]]:
    """The results of tables of answers with what was said about each picture."""
    from benchmarks.answers import files, score
    from benchmarks.people import truth
    from benchmarks.results import predictions

    known = truth.read(arguments.data, arguments.path)
    found = []
    for path in arguments.results:
        result, said = score.score(files.read(path), known, model=path.stem, resamples=1)
        found.append((result, predictions.as_table(said, result)))
    return found
