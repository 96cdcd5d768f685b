"""`emo8 report`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "one page about a build's labels: balance, confidence, agreement, calibration, samples"
DESCRIPTION = """\
Writes BUILD/report/report.html (one file with its figures), report.json, the figures as PNG, and a
sample sheet per style and emotion in BUILD/report/samples.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", type=Path, metavar="BUILD")


def run(arguments: argparse.Namespace) -> int:
    from emo8.engine import build_folder
    from emo8.report import page

    build_folder.require_build(arguments.build)
    numbers = page.write(arguments.build)
    print(f"{numbers['num_rows']} rows: {arguments.build / 'report' / 'report.html'}")
    return 0
