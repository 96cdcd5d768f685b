"""The `emo8` command: parse, call, print. Everything heavy is imported by the command that runs.

Exit codes: 0 done; 1 something failed that was not your mistake; 2 your mistake, named; 130
interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from emo8 import __version__

DESCRIPTION = """\
Build, label and publish emotion datasets of images.

  emo8 demo                          see all of it work, offline, in a few minutes
  emo8 build recipe.toml -o BUILD    pictures -> BUILD/dataset, ready for load_dataset
  emo8 status BUILD                  what came in, what left and why, what is stale
"""
BUILD_DESCRIPTION = """\
Build the dataset a recipe asks for. Run the same command again to continue after any
interruption; finished parts are kept. A minimal recipe:

  name = "my-emo8"
  [[source]]
  kind = "folder"          # or "table": parquet, CSV or JSONL
  path = "pictures"        # relative to the recipe
  style = "natural"        # or style_from = "folder", or "clip"
  [labels]
  clip = ["embedded"]      # offline; default: ["ViT-B-16/openai"]

Exit code 0: every part is done, whatever single pictures did. 1: parts failed.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code comes back."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        print("interrupted: run the same command again to continue", file=sys.stderr)
        return 130
    except ValueError as error:
        from emo8.errors import Emo8Error

        if arguments.debug or not isinstance(error, Emo8Error):
            raise
        print(f"emo8: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if arguments.debug:
            raise
        print(f"emo8: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emo8", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"emo8 {__version__}")
    parser.add_argument("--debug", action="store_true", help="show stack traces")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _add_build(commands)
    _add_status(commands)
    _add_demo(commands)
    return parser


def _add_build(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "build",
        help="make a dataset from a recipe",
        description=BUILD_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="the TOML file")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="BUILD", help="its folder")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: all cores)")
    parser.set_defaults(run=_build)


def _add_status(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("status", help="the funnel, and which parts are done or stale")
    parser.add_argument("build", type=Path, metavar="BUILD")
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.set_defaults(run=_status)


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "demo", help="build, pretrain and benchmark the embedded sample, offline"
    )
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR")
    parser.set_defaults(run=_demo)


def _build(arguments: argparse.Namespace) -> int:
    from emo8.build import build

    if arguments.workers is not None and arguments.workers < 1:
        from emo8.errors import Emo8Error

        raise Emo8Error(f"--workers {arguments.workers}: use 1 or more")
    result = build(arguments.recipe, arguments.out, workers=arguments.workers)
    if result.already_complete:
        print(f"{arguments.out} is already complete: nothing to do")
    _print_funnel(result.funnel)
    if result.failed_parts:
        print(
            f"{result.failed_parts} parts failed: `emo8 status {arguments.out}` gives the causes; "
            "run the same command again to retry them",
            file=sys.stderr,
        )
        return 1
    print(f'load_dataset("{arguments.out / "dataset"}")')
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from emo8 import builddir
    from emo8.plan import load_plan, step_status

    builddir.require_build(arguments.build)
    plan = load_plan(arguments.build)
    funnel = builddir.read_json(arguments.build / "report" / "funnel.json")
    steps = step_status(arguments.build, plan) if plan else {}
    complete = bool(plan and plan.dataset)
    if arguments.json:
        content = {"funnel": funnel, "steps": steps, "complete": complete}
        print(json.dumps(content, indent=2))
        return 0
    print(f"{arguments.build}: {'complete' if complete else 'not finished'}")
    if funnel:
        _print_funnel(funnel)
    print(f"{'step':<24}{'parts':>8}{'done':>8}{'reused':>8}{'stale':>8}{'failed':>8}")
    for step, numbers in steps.items():
        keys = ("parts_total", "parts_done", "parts_reused", "parts_stale", "parts_failed")
        print(f"{step:<24}" + "".join(f"{numbers[key]:>8}" for key in keys))
        for part, cause in numbers["failures"].items():
            print(f"    part {part} failed: {cause}")
    return 0


def _print_funnel(funnel: dict[str, object]) -> None:
    from emo8.reasons import REASONS

    rejected = funnel["rejected"]
    assert isinstance(rejected, dict)
    print(f"{funnel['inputs']:>8} inputs")
    for reason, count in rejected.items():
        print(f"{-count:>8} {reason:<18} {REASONS[reason]}")
    print(f"{funnel['kept']:>8} kept")


def _demo(arguments: argparse.Namespace) -> int:
    from emo8.demo import demo

    return demo(arguments.out)


if __name__ == "__main__":
    sys.exit(main())
