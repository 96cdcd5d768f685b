"""`emo8 report`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from emo8.commands import at_least, refuse_unread

HELP = "one page about a build's labels: balance, confidence, agreement, calibration, samples"
DESCRIPTION = """\
Writes BUILD/report/report.html (one file with its figures), report.json, the figures as PNG, and a
sample sheet per style and emotion in BUILD/report/samples.

--duplicates draws the clusters of copies instead, the picture that stays first, and the pairs that
were close and stayed: BUILD/report/duplicates/index.html and PNG files.
"""

DEEDS = {"duplicates": ("out", "most"), "": ()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", type=Path, metavar="BUILD")
    parser.add_argument("--duplicates", action="store_true", help="sheets of clusters of copies")
    parser.add_argument("-o", "--out", type=Path, help="folder of the sheets")
    parser.add_argument(
        "--most", type=partial(at_least, 1), default=200, help="clusters and pairs shown of each"
    )


def run(arguments: argparse.Namespace) -> int:
    refuse_unread(arguments, DEEDS)
    return _duplicates(arguments) if arguments.duplicates else _report(arguments)


def _report(arguments: argparse.Namespace) -> int:
    from emo8.engine import build_folder
    from emo8.report import page

    build_folder.require_build(arguments.build)
    numbers = page.write(arguments.build)
    print(f"{numbers['num_rows']} rows: {arguments.build / 'report' / 'report.html'}")
    return 0


def _duplicates(arguments: argparse.Namespace) -> int:
    from emo8.core.errors import BuildError
    from emo8.engine import build_folder, derived
    from emo8.engine.verdict_table import VERDICTS
    from emo8.report.duplicates_page import write_sheets

    build_folder.require_build(arguments.build)
    if not (arguments.build / VERDICTS).exists():
        raise BuildError(f"{arguments.build} is not finished: run `emo8 build` to its end first")
    out = arguments.out or arguments.build / "report" / "duplicates"
    page, num_clusters, num_possible = write_sheets(
        arguments.build, out, max_clusters=arguments.most
    )
    derived.note("sheets of copies", out, arguments.build)
    print(f"{num_clusters} clusters of copies, {num_possible} possible pairs that stayed")
    print(page)
    return 0
