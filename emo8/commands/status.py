"""`emo8 status`."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emo8.commands import at_least, refuse_unread

if TYPE_CHECKING:
    from emo8.engine.plan import Plan

HELP = "the funnel, and which parts are done, reused, stale or failed"
DESCRIPTION = """\
What came in, what left and why; and for every step how many parts are done, were reused by the
last run, are stale (made from other inputs or options than now asked for) or failed. Under a step
stands why it had to be made anew.

--failures counts the links that gave no picture, by host, reason and cause, most frequent first:

  fetch_failed     could not be fetched: `emo8 build RECIPE -o BUILD --retry-failed` tries again
  opt_out          the site does not want this use; the cause says where it says so
  refused_address  leads to a private network, or is no http(s) link

docs/web.md explains what is honoured and which causes there are.

--left lists the files that left, one a line, with the reason and the number behind it, and writes
BUILD/report/left.html, where each has a small picture. --reason NAME lists those of one reason.

--check reads every file and compares it with the checksum it was written with. `emo8 build` mends
what it can make anew; votes and earlier splits must come from a copy.
"""
_NUMBERS = ("parts_total", "parts_done", "parts_reused", "parts_stale", "parts_failed")

DEEDS = {
    "left": ("reason", "csv", "top", "json"),
    "failures": ("csv", "top", "json"),
    "check": ("json",),
    "": ("json",),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", type=Path, metavar="BUILD")
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--failures", action="store_true", help="links that gave no picture")
    parser.add_argument("--left", action="store_true", help="which files left, and why")
    parser.add_argument("--reason", default="", metavar="NAME", help="with --left: this one alone")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="all lines into a CSV file")
    parser.add_argument(
        "--top", type=partial(at_least, 0), default=30, metavar="N", help="lines shown (default 30)"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="compare every byte with the checksums (exit 1: damage)",
    )


def run(arguments: argparse.Namespace) -> int:
    arguments.left |= bool(arguments.reason)
    arguments.failures |= bool(arguments.csv) and not arguments.left
    refuse_unread(arguments, DEEDS)
    if arguments.left:
        return _left(arguments)
    return _failures(arguments) if arguments.failures else _status(arguments)


def _status(arguments: argparse.Namespace) -> int:
    from emo8.engine import build_folder
    from emo8.engine.plan import load_plan, step_status
    from emo8.labels.clip import recorded
    from emo8.labels.clip.models import EMBEDDED, EMBEDDED_KNOWS
    from emo8.report import understood
    from emo8.report.numbers import disputed_lines, funnel_lines

    resolved = build_folder.require_build(arguments.build)
    plan = load_plan(arguments.build)
    funnel = build_folder.read_json(arguments.build / "report" / "funnel.json")
    steps = step_status(arguments.build, plan) if plan else {}
    complete = bool(plan and plan.dataset and not plan.unread)
    stats = build_folder.read_json(arguments.build / "report" / "stats.json") or {}
    outdated = recorded.outdated(resolved)
    damaged = _damaged(arguments.build, plan) if arguments.check else []
    if arguments.json:
        answer: dict[str, Any] = {"funnel": funnel, "steps": steps, "complete": complete}
        answer["outdated"] = [*outdated.values()]
        answer["disputed"] = stats.get("disputed", {})
        answer["understood"] = stats.get("understood", {})
        print(json.dumps(answer | ({"damaged": damaged} if arguments.check else {}), indent=2))
        return 1 if damaged else 0
    print(f"{arguments.build}: {'complete' if complete else 'not finished'}")
    if funnel:
        print("\n".join(funnel_lines(funnel)))
    print("\n".join(understood.lines(stats.get("understood", {}))))
    print("".join(f"{line}\n" for line in disputed_lines(stats.get("disputed", {}))), end="")
    titles = [name.removeprefix("parts_") for name in _NUMBERS]
    print(f"{'step':<32}" + "".join(f"{title:>8}" for title in titles))
    for step, numbers in steps.items():
        print(f"{step:<32}" + "".join(f"{numbers[key]:>8}" for key in _NUMBERS))
        for part, cause in numbers["failures"].items():
            print(f"    part {part} failed: {cause}")
        if numbers["why"]:
            print(f"    made anew: {numbers['why']}")
    if EMBEDDED in [model["name"] for model in resolved["models"]]:
        print(f"note: {EMBEDDED_KNOWS}")
    for line in outdated.values():
        print(line)
    for one in damaged:
        print(f"DAMAGED {one['path']} {one['cause']}; {one['remedy']}")
    if arguments.check and not damaged:
        print("every file is as it was written")
    return 1 if damaged else 0


def _failures(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from emo8.engine import build_folder
    from emo8.engine.files import write_text
    from emo8.web import failures

    recipe = build_folder.require_build(arguments.build)["recipe"]
    names = [source["name"] for source in recipe["source"] if source["kind"] == "urls"]
    found = failures.of_build(arguments.build, names)
    if arguments.json:
        print(json.dumps([asdict(failure) for failure in found], indent=2, ensure_ascii=False))
        return 0
    if arguments.csv:
        write_text(arguments.csv, failures.as_csv(found))
        print(f"{len(found)} lines in {arguments.csv}")
        return 0
    if not found:
        print("no link was lost" if names else "this build has no list of links")
        return 0
    print(f"{'links':>7}  {'host':<32} {'reason':<16} cause")
    for failure in found[: arguments.top]:
        host = failure.host or "(no address)"
        print(f"{failure.links:>7}  {host:<32} {failure.reason:<16} {failure.cause}")
    if len(found) > arguments.top:
        print(f"… and {len(found) - arguments.top} more lines (--csv FILE for all)")
    return 0


def _left(arguments: argparse.Namespace) -> int:
    from emo8.engine import build_folder
    from emo8.engine.files import write_text
    from emo8.report import left

    build_folder.require_build(arguments.build)
    rows = left.left(arguments.build, arguments.reason)
    if arguments.json:
        lines = [{name: getattr(row, name) for name in left.COLUMNS} for row in rows]
        print(json.dumps(lines, indent=2, ensure_ascii=False))
        return 0
    if arguments.csv:
        write_text(arguments.csv, left.as_csv(rows))
        print(f"{len(rows)} lines in {arguments.csv}")
        return 0
    page = left.write_page(arguments.build, rows)
    if not rows:
        print("nothing left" + (f" for {arguments.reason}" if arguments.reason else ""))
        return 0
    print(f"{'reason':<20}{'value':>12}  file")
    for row in rows[: arguments.top]:
        detail = f"  ({row.detail})" if row.detail else ""
        print(f"{row.reason:<20}{row.number:>12}  {row.source_path or row.id}{detail}")
    if len(rows) > arguments.top:
        print(f"… and {len(rows) - arguments.top} more (--csv FILE for all)")
    print(f"with pictures: {page}")
    return 0


def _damaged(build: Path, plan: Plan | None) -> list[dict[str, str]]:
    """Files that are not as they were written, and what to do about each."""
    from emo8.engine.build_folder import PLAN
    from emo8.pipeline import integrity

    again = "`emo8 build` with its recipe mends it"
    if plan is None:
        cause = "is missing or damaged: which files there must be is not known"
        return [{"path": str(build / PLAN), "cause": cause, "remedy": again}]
    return [
        {
            "path": str(one.path),
            "cause": one.cause,
            "remedy": again if one.mended else "put a copy in its place",
        }
        for one in integrity.find(build, plan)
    ]
