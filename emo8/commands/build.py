"""`emo8 build`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "make a dataset from a recipe"
DESCRIPTION = """\
Build the dataset a recipe asks for. Run the same command again to continue after any
interruption; finished parts are kept. A minimal recipe:

  name = "my-emo8"
  [[source]]
  kind = "folder"          # or archive, table (parquet, CSV, JSONL), hub, webdataset
  path = "pictures"        # relative to the recipe
  style = "natural"        # or style_from = "folder", or "clip"
  [labels]
  clip = ["embedded"]      # offline; default: ["ViT-B-16/openai"]

--engine ray works on the parts with Ray: on this machine, or with --address on a cluster whose
nodes see the recipe's files and BUILD under the same paths. The bytes are the same.

It ends with what it made of the data, counted: formats, whose labels, splits, boxes, captions.

Exit code 0: every part is done, whatever single pictures did. 1: parts failed, or inputs that are
listed could not be read (a share that dropped, no permission); the next run tries them again; or
no picture is kept.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="the TOML file")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="BUILD", help="its folder")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: all cores)")
    parser.add_argument(
        "--retry-failed", action="store_true", help="fetch links again that failed, and only those"
    )
    parser.add_argument(
        "--engine", default="local", metavar="local|ray", help="where parts are worked on"
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help='a running Ray cluster, or "auto" (default: this one)',
    )


def run(arguments: argparse.Namespace) -> int:
    from emo8.engine.progress import say

    say(f"build: {arguments.recipe} -> {arguments.out}")
    from emo8.core.errors import Emo8Error
    from emo8.pipeline.run import build
    from emo8.report import understood
    from emo8.report.numbers import funnel_lines

    if arguments.workers is not None and arguments.workers < 1:
        raise Emo8Error(f"--workers {arguments.workers}: use 1 or more")
    result = build(
        arguments.recipe,
        arguments.out,
        workers=arguments.workers,
        engine=arguments.engine,
        address=arguments.address,
        retry_failed=arguments.retry_failed,
    )
    if (arguments.out / "browse").is_dir():
        from emo8.browse import forget

        if gone := forget.forget(arguments.out):
            print(f"{gone} samples of removed pictures are deleted from the App's database")
    if result.already_complete:
        print(f"{arguments.out} is already complete: nothing to do")
    print("\n".join([*funnel_lines(result.funnel), *understood.lines(result.understood)]))
    if result.failed_parts:
        print(
            f"{result.failed_parts} parts failed: `emo8 status {arguments.out}` gives the causes; "
            "run the same command again to retry them",
            file=sys.stderr,
        )
        return 1
    if result.unread:
        print(
            f"{result.unread} inputs could not be read now (reason unreachable): run the same "
            "command again once they are there",
            file=sys.stderr,
        )
        return 1
    if not result.funnel["kept"]:
        print(
            f"no picture is kept, so there is no dataset to load: the reasons stand above, and "
            f"`emo8 status {arguments.out} --left` names every file",
            file=sys.stderr,
        )
        return 1
    print(f'load_dataset("{arguments.out / "dataset"}")')
    return 0
