"""`emo8-bench compare`: are two models different on the same pictures?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """The parser of `compare`."""
    compare = commands.add_parser(
        "compare",
        help="paired tests between the models of a results file, on their stored predictions",
    )
    compare.add_argument("results", type=Path, metavar="RESULTS.jsonl")
    compare.add_argument("--base", metavar="MODEL", help="compare with this one; default: the best")
    compare.set_defaults(call=run)


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0; the table on standard output."""
    from benchmarks.results import compare

    print(compare.markdown(compare.compare(arguments.results, base=arguments.base)))
    return 0
