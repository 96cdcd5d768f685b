"""`emo8 failures`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "links that gave no picture, by host and cause"
DESCRIPTION = """\
Count the links of a build that gave no picture, by host, reason and cause, most frequent first.

  fetch_failed     could not be fetched: `emo8 build RECIPE -o BUILD --retry-failed` tries again
  opt_out          the site does not want this use; the cause says where it says so
  refused_address  leads to a private network, or is no http(s) link

docs/web.md explains what is honoured and which causes there are.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", type=Path, metavar="BUILD")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="all lines as JSON")
    form.add_argument("--csv", type=Path, metavar="FILE", help="all lines into a CSV file")
    parser.add_argument("--top", type=int, default=30, metavar="N", help="lines shown (default 30)")


def run(arguments: argparse.Namespace) -> int:
    import json
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
