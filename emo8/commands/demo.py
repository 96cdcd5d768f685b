"""`emo8 demo`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "build, pretrain and benchmark the embedded sample, offline"
DESCRIPTION = """\
The whole job on the pictures inside this package, offline, in a few minutes: build a dataset,
pretrain UniEmoX on it, measure the encoder, publish the dataset to DIR/published and read it back,
and write DIR/report.html.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("demo"), metavar="DIR", help="its folder"
    )


def run(arguments: argparse.Namespace) -> int:
    from emo8.demo.run import demo

    return demo(arguments.out)
