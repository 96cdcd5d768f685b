"""`emo8 status`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = "the funnel, and which parts are done, reused, stale or failed"
DESCRIPTION = """\
What came in, what left and why; and for every step how many parts are done, were reused by the
last run, are stale (made from other inputs or options than now asked for) or failed.
"""
_NUMBERS = ("parts_total", "parts_done", "parts_reused", "parts_stale", "parts_failed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", type=Path, metavar="BUILD")
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    from emo8.engine import build_folder
    from emo8.engine.plan import load_plan, step_status
    from emo8.report.numbers import funnel_lines

    build_folder.require_build(arguments.build)
    plan = load_plan(arguments.build)
    funnel = build_folder.read_json(arguments.build / "report" / "funnel.json")
    steps = step_status(arguments.build, plan) if plan else {}
    complete = bool(plan and plan.dataset)
    if arguments.json:
        print(json.dumps({"funnel": funnel, "steps": steps, "complete": complete}, indent=2))
        return 0
    print(f"{arguments.build}: {'complete' if complete else 'not finished'}")
    if funnel:
        print("\n".join(funnel_lines(funnel)))
    titles = [name.removeprefix("parts_") for name in _NUMBERS]
    print(f"{'step':<32}" + "".join(f"{title:>8}" for title in titles))
    for step, numbers in steps.items():
        print(f"{step:<32}" + "".join(f"{numbers[key]:>8}" for key in _NUMBERS))
        for part, cause in numbers["failures"].items():
            print(f"    part {part} failed: {cause}")
    return 0
