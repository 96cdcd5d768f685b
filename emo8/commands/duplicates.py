"""`emo8 duplicates`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "contact sheets of the clusters of copies, to look at"
DESCRIPTION = """\
Draw the clusters of copies of a finished build, the picture that stays first, and the pairs that
were close and stayed. Writes index.html and PNG files.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", type=Path, metavar="BUILD")
    parser.add_argument("-o", "--out", type=Path, help="folder (default: BUILD/report/duplicates)")
    parser.add_argument("--most", type=int, default=200, help="clusters and pairs shown of each")


def run(arguments: argparse.Namespace) -> int:
    from emo8.core.errors import BuildError
    from emo8.engine import build_folder
    from emo8.engine.verdict_table import VERDICTS
    from emo8.report.duplicates_page import write_sheets

    build_folder.require_build(arguments.build)
    if not (arguments.build / VERDICTS).exists():
        raise BuildError(f"{arguments.build} is not finished: run `emo8 build` to its end first")
    out = arguments.out or arguments.build / "report" / "duplicates"
    page, num_clusters, num_possible = write_sheets(
        arguments.build, out, max_clusters=arguments.most
    )
    print(f"{num_clusters} clusters of copies, {num_possible} possible pairs that stayed")
    print(page)
    return 0
